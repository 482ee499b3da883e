//! A shell that keeps its variables from command to command.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

pub(crate) struct Shell {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What ends the output of a command, before its exit status.
const END: &str = "--- end of output ";

impl Shell {
    /// A shell in that folder, which has the command `scimkit`.
    pub(crate) fn start(folder: &Path) -> Shell {
        let command = Path::new(env!("CARGO_BIN_EXE_scimkit")).parent().unwrap();
        // The home of a user whose shells complete commands.
        let home = folder.join("home");
        for place in [
            ".local/share/bash-completion/completions",
            ".zfunc",
            ".config/fish/completions",
        ] {
            fs::create_dir_all(home.join(place)).unwrap();
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let mut process = Command::new("bash")
            .arg("-s")
            .current_dir(folder)
            .env("HOME", &home)
            .env("PATH", format!("{}:{path}", command.display()))
            .env_remove("SCIMKIT_STORE")
            .env_remove("SCIMKIT_TOKEN")
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let output = process.stdout.take().unwrap();
        let mut shell = Shell {
            process,
            input,
            output: BufReader::new(output),
        };
        shell.run("exec 2>&1");
        shell
    }

    /// What the command prints, and its exit status.
    pub(crate) fn run(&mut self, command: &str) -> (String, i32) {
        writeln!(self.input, "{command}\nprintf '\\n{END}%s\\n' $?").unwrap();
        let mut text = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "the shell ended in `{command}`: {text}");
            if let Some(status) = line.strip_prefix(END) {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                return (text.to_owned(), status.trim().parse().unwrap());
            }
            text.push_str(&line);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

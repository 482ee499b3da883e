//! The quickstart as a process.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, LazyLock, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

/// The program, built as the tests are.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_BIN_EXE_scimkit")).parent().unwrap();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "scimkit-examples",
        ])
        .args(["--example", "quickstart", "--target-dir"])
        .arg(folder.parent().unwrap())
        .current_dir(crate::root())
        .status();
    assert!(built.unwrap().success(), "the quickstart can't be built");
    folder.join("examples/quickstart")
});

pub(crate) struct Quickstart {
    _process: Process,
    /// What it printed, up to the last line of its greeting.
    pub(crate) printed: String,
    pub(crate) origin: String,
    pub(crate) token: String,
    log: Arc<Mutex<String>>,
    passed: usize,
}

impl Quickstart {
    pub(crate) fn start(folder: &Path, arguments: &[String]) -> Quickstart {
        let started = Command::new(&*PROGRAM)
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .current_dir(folder)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut process = Process(started.unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let mut errors = process.0.stderr.take().unwrap();
        let noted = Arc::clone(&log);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..read]);
                noted.lock().unwrap().push_str(&text);
            }
        });
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(process.0.stdout.take().unwrap());
        thread::spawn(move || {
            output
                .lines()
                .try_for_each(|line| sender.send(line.unwrap()))
        });
        let mut printed = String::new();
        while !printed.contains("Ctrl-C") {
            let line = lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("no end of the greeting: {printed}"));
            printed.push_str(&line);
            printed.push('\n');
        }
        let find = |name: &str| {
            let line = printed
                .lines()
                .find_map(|line| line.trim().strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.unwrap_or_else(|| panic!("no {name}: {printed}{}", log.lock().unwrap()))
                .to_owned()
        };
        let origin = find("Tenant URL").trim_end_matches("/scim/v2").to_owned();
        let token = find("Secret token");
        Quickstart {
            _process: process,
            origin,
            token,
            printed,
            log,
            passed: 0,
        }
    }

    /// Passes over the log up to the line that is wanted.
    pub(crate) fn log_has(&mut self, is_wanted: impl Fn(&str) -> bool) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(5) {
            let text = self.log.lock().unwrap().clone();
            let complete =
                text.lines().count() - usize::from(!text.ends_with('\n') && !text.is_empty());
            let lines = text.lines().take(complete).enumerate().skip(self.passed);
            if let Some((index, _)) = lines.into_iter().find(|(_, line)| is_wanted(line)) {
                self.passed = index + 1;
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

/// A process that ends with the test, also if that fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

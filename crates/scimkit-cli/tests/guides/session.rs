//! One chapter, followed from its first block to its last.

use std::{os::unix::fs::symlink, process::Command};

use scimkit::{Mapping, Registry, Tolerance};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    expect::Bindings,
    page::{Block, Page},
    quickstart::Quickstart,
    root,
    shell::Shell,
};

/// Where the chapters say that the quickstart listens.
const ORIGIN: &str = "http://127.0.0.1:8080";

pub(crate) struct Session {
    bindings: Bindings,
    folder: TempDir,
    quickstart: Option<Quickstart>,
    shell: Shell,
    response: Option<Response>,
}

struct Response {
    status: String,
    headers: Vec<String>,
    body: String,
    /// What was asked, until a block shows the answer.
    unchecked: Option<String>,
}

type Outcome = Result<(), String>;

impl Session {
    /// # Errors
    ///
    /// The first block that does something else than it shows.
    pub(crate) fn follow(page: &Page) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        for name in ["crates", "docs", "examples"] {
            symlink(root().join(name), folder.path().join(name)).unwrap();
        }
        let mut session = Session {
            bindings: Bindings::default(),
            shell: Shell::start(folder.path()),
            folder,
            quickstart: None,
            response: None,
        };
        for block in &page.blocks {
            let at = |problem| format!("docs/{}:{}: {problem}", page.name(), block.line);
            session.block(block).map_err(at)?;
        }
        let at = |problem| format!("docs/{}, at its end: {problem}", page.name());
        session.answered().map_err(at)
    }

    fn block(&mut self, block: &Block) -> Outcome {
        match block.language.as_str() {
            // Compiled and run as a test of the facade.
            "rust" => Ok(()),
            "console" => self.console(&block.text),
            "http" if block.text.starts_with("HTTP/") => self.response(&block.text),
            "http" => self.request(&block.text),
            "log" => self.log(&block.text),
            "json" => json(&block.text),
            "toml" => toml(&block.text),
            other => Err(format!("nothing runs a block of `{other}`")),
        }
    }

    fn console(&mut self, text: &str) -> Outcome {
        for step in text.strip_prefix("$ ").ok_or("no command")?.split("\n$ ") {
            let lines: Vec<_> = step.lines().collect();
            let is_whole = |count: &usize| is_whole(&lines[..*count].join("\n"));
            let count = (1..=lines.len())
                .find(is_whole)
                .ok_or(format!("no end of `{step}`"))?;
            let (command, shown) = lines.split_at(count);
            self.command(&command.join("\n"), shown)?;
        }
        Ok(())
    }

    fn command(&mut self, command: &str, shown: &[&str]) -> Outcome {
        if let Some(arguments) = command.strip_prefix("cargo run --release --example quickstart") {
            return self.start(arguments, shown);
        }
        if let Some(package) = command.strip_prefix("cargo install --path ") {
            let manifest = std::fs::read_to_string(root().join(package).join("Cargo.toml"));
            let has_command = manifest.is_ok_and(|text| text.contains("name = \"scimkit\""));
            return has_command
                .then_some(())
                .ok_or(format!("`{package}` has no command `scimkit`"));
        }
        let (output, status) = self.shell.run(&self.bindings.apply(command));
        self.shows(command, shown, &output)?;
        (status == 0)
            .then_some(())
            .ok_or(format!("`{command}` ends with {status}: {output}"))
    }

    fn shows(&self, command: &str, shown: &[&str], output: &str) -> Outcome {
        let actual: Vec<_> = output.trim_end().lines().collect();
        if shown.is_empty() || self.bindings.lines(shown, &actual) {
            return Ok(());
        }
        let shown = shown.join("\n");
        Err(format!(
            "`{command}`\n-- the page shows\n{shown}\n-- it printed\n{output}"
        ))
    }

    fn start(&mut self, arguments: &str, shown: &[&str]) -> Outcome {
        self.quickstart = None;
        let arguments = arguments.trim().strip_prefix("--").unwrap_or_default();
        let arguments: Vec<_> = arguments.split_whitespace().map(str::to_owned).collect();
        let quickstart = Quickstart::start(self.folder.path(), &arguments);
        self.bindings.insert(ORIGIN, &quickstart.origin);
        let printed = quickstart.printed.clone();
        self.shows("quickstart", shown, &printed)?;
        // What pages type where they use the token.
        self.shell
            .run(&format!("export TOKEN={}", quickstart.token));
        self.quickstart = Some(quickstart);
        Ok(())
    }

    fn request(&mut self, text: &str) -> Outcome {
        self.answered()?;
        let quickstart = self
            .quickstart
            .as_ref()
            .ok_or("no `quickstart` was started")?;
        let text = self.bindings.apply(text);
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default();
        let (method, path) = line.split_once(' ').ok_or("no request line")?;
        let mut headers: Vec<_> = lines.map(str::to_owned).collect();
        let mut add = |name: &str, value: &str| {
            if !headers
                .iter()
                .any(|header| header.to_lowercase().starts_with(name))
            {
                headers.push(format!("{name}: {value}"));
            }
        };
        add("authorization", &format!("Bearer {}", quickstart.token));
        if !body.is_empty() {
            add("content-type", "application/scim+json");
        }
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--include",
            "--globoff",
            "--request",
            method,
        ]);
        for header in &headers {
            curl.args(["--header", header]);
        }
        if !body.is_empty() {
            curl.args(["--data-binary", body]);
        }
        let output = curl
            .arg(format!("{}/scim/v2{path}", quickstart.origin))
            .output()
            .unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
        let (head, body) = answer
            .split_once("\n\n")
            .ok_or(format!("no response to {line}"))?;
        let mut head = head.lines().map(str::to_owned);
        self.response = Some(Response {
            status: head.next().unwrap_or_default(),
            headers: head.collect(),
            body: body.to_owned(),
            unchecked: Some(line.to_owned()),
        });
        Ok(())
    }

    fn response(&mut self, text: &str) -> Outcome {
        let response = self
            .response
            .as_mut()
            .ok_or("no request before this response")?;
        response.unchecked = None;
        let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default();
        if status != response.status {
            return Err(format!(
                "the status is {}\n{}",
                response.status, response.body
            ));
        }
        for header in lines {
            let matches = |sent: &String| {
                self.bindings
                    .fits(&header.to_lowercase(), &sent.to_lowercase())
            };
            if !response.headers.iter().any(matches) {
                return Err(format!("no header `{header}` in {:?}", response.headers));
            }
        }
        if body.trim().is_empty() {
            return Ok(());
        }
        let shown: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let body = serde_json::from_str(&response.body).map_err(|error| error.to_string())?;
        self.bindings.json("$", &shown, &body)
    }

    /// A request whose response no block shows has to succeed.
    fn answered(&mut self) -> Outcome {
        let Some(response) = self.response.take() else {
            return Ok(());
        };
        match response.unchecked {
            Some(line) if !response.status.starts_with("HTTP/1.1 2") => Err(format!(
                "{line} is answered {}: {}",
                response.status, response.body
            )),
            _ => Ok(()),
        }
    }

    fn log(&mut self, text: &str) -> Outcome {
        let quickstart = self
            .quickstart
            .as_mut()
            .ok_or("no `quickstart` was started")?;
        for line in text.lines() {
            if !quickstart.log_has(|logged| self.bindings.fits(line, logged)) {
                return Err(format!(
                    "no line of the log is `{line}`:\n{}",
                    quickstart.log()
                ));
            }
        }
        Ok(())
    }
}

/// Whether a command ends here: not in quotes, and not before a line that continues it.
fn is_whole(command: &str) -> bool {
    command.matches('\'').count().is_multiple_of(2) && !command.ends_with('\\')
}

/// A tolerance has a profile, and a schema has attributes; anything else is an attribute mapping.
fn json(text: &str) -> Outcome {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if value.get("profile").is_some() {
        let tolerance = serde_json::from_value::<Tolerance>(value);
        return tolerance.map(drop).map_err(|error| error.to_string());
    }
    if value.get("attributes").is_none() {
        return mapping(text);
    }
    let builder = Registry::builder().schemas_json(text);
    let built = builder.map_err(|error| error.to_string())?.build();
    built.map(drop).map_err(|error| error.to_string())
}

fn mapping(text: &str) -> Outcome {
    let built = Mapping::builder().text(text).build(&Registry::standard());
    built.map(drop).map_err(|error| error.to_string())
}

/// A part of a manifest has dependencies; anything else is an attribute mapping.
fn toml(text: &str) -> Outcome {
    let table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let Some(dependencies) = table.get("dependencies").and_then(|table| table.as_table()) else {
        return mapping(text);
    };
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let known = manifest["workspace"]["dependencies"].as_table().unwrap();
    for name in dependencies.keys() {
        known
            .get(name)
            .ok_or(format!("the workspace does not use `{name}`"))?;
    }
    Ok(())
}

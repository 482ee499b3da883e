//! The import of valid and invalid archives.

use std::{io::Cursor, sync::Arc};

use proptest::prelude::*;
use scimkit_store::{
    Archive, MemoryStore, RequestContext, Settings, StoreError, TenantId, TenantStore,
    archive::{ArchiveError, ArchiveOptions, RecordCounts, export_to, import_from},
};

use crate::now;

const LINES: &str = r#"{"tenant":{"format":1,"id":"acme","versions":9,"name":"Acme","created":"2026-01-01T00:00:00.000Z","revision":1}}
{"connection":{"id":"crm","name":"","created":"2026-01-01T00:00:00.000Z","revision":1,"rules":"{}"}}
{"token":{"id":"1","connection":"crm","digest":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","name":"","scopes":["groups","read","users"],"created":"2026-01-01T00:00:00.000Z","revision":3,"expires":"2027-01-01T00:00:00.000Z","replaced":"2026-01-01T00:00:00.000Z","revoked":"2026-01-01T00:00:00.000Z","lastUsed":"2026-01-01T00:00:00.000Z"}}
{"resource":{"type":"Group","id":"g1","version":"3","created":"2026-01-01T00:00:00.000Z","lastModified":"2026-01-01T00:00:00.000Z","connection":"crm","document":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"g"}}}
{"edges":{"type":"Group","id":"g1","attribute":"members","targets":[{"value":"u1"},{"value":"u2","type":"User"}]}}
{"retired":{"type":"User","id":"u3","created":"2026-01-01T00:00:00.000Z","retired":"2026-01-01T00:00:00.000Z","document":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"c"}}}
{"end":{"connections":1,"tokens":1,"resources":1,"members":2,"retired":1}}
"#;

fn context() -> RequestContext {
    let settings = Settings::new("https://example.com/v2");
    RequestContext::new(TenantId::from("acme"), Arc::new(settings))
}

fn take(
    store: &MemoryStore,
    lines: &[u8],
    options: &ArchiveOptions,
) -> Result<RecordCounts, ArchiveError> {
    now(import_from(
        store,
        &context(),
        options,
        Cursor::new(lines.to_vec()),
    ))
}

fn lines_of(store: &MemoryStore) -> Result<String, ArchiveError> {
    let acme = TenantId::from("acme");
    let (bytes, _) = now(export_to(
        store,
        &acme,
        &ArchiveOptions::default(),
        Vec::new(),
    ))?;
    Ok(String::from_utf8(bytes).unwrap())
}

/// Returns the error for lines of which nothing may be imported.
fn refusal(lines: &[u8], options: &ArchiveOptions) -> String {
    let store = MemoryStore::new();
    let refused = take(&store, lines, options).unwrap_err().to_string();
    let nothing = lines_of(&store).unwrap_err();
    assert!(matches!(nothing, ArchiveError::Store(StoreError::NotFound)));
    refused
}

#[test]
fn exported_lines_equal_imported_lines() {
    let store = MemoryStore::new();
    let counts = take(&store, LINES.as_bytes(), &ArchiveOptions::default()).unwrap();
    assert_eq!((counts.resources, counts.members), (1, 2));
    assert_eq!(lines_of(&store).unwrap(), LINES);
    // The last line break may be missing, and line breaks may be those of another system.
    for lines in [LINES.trim_end().to_owned(), LINES.replace('\n', "\r\n")] {
        let store = MemoryStore::new();
        take(&store, lines.as_bytes(), &ArchiveOptions::default()).unwrap();
        assert_eq!(lines_of(&store).unwrap(), LINES);
    }
}

#[test]
fn truncated_lines_are_rejected() {
    for end in 0..LINES.len() - 1 {
        let cut = &LINES.as_bytes()[..end];
        // A line that only lacks its line break is complete; the next one is missing.
        let whole = LINES.as_bytes()[..=end].iter();
        let lines = whole.filter(|byte| **byte == b'\n').count();
        let said = refusal(cut, &ArchiveOptions::default());
        assert!(said.starts_with(&format!("line {}: ", lines + 1)), "{said}");
    }
}

#[test]
fn invalid_archive_is_rejected_with_its_line_number() {
    let from = |line: usize| LINES.lines().skip(line - 1).collect::<Vec<_>>().join("\n");
    let changed = |old: &str, new: &str| {
        assert!(LINES.contains(old), "{old}");
        LINES.replacen(old, new, 1)
    };
    let first = LINES.lines().next().unwrap();
    let digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let cases = [
        (String::new(), "line 1: the `end` line is missing"),
        ("\n".to_owned(), "line 1: not readable as JSON"),
        ("[]\n".to_owned(), "line 1: `the line` is not an object"),
        (
            "{}\n".to_owned(),
            "line 1: expected an object with one member",
        ),
        (from(2), "line 1: the first line must be a `tenant` line"),
        (from(7), "line 1: the first line must be a `tenant` line"),
        (
            format!("{first}\n{LINES}"),
            "line 2: unexpected second `tenant` line",
        ),
        (
            format!("{LINES}{{}}"),
            "line 8: unexpected text after the `end` line",
        ),
        (
            format!("{LINES}\n"),
            "line 8: unexpected text after the `end` line",
        ),
        (
            changed(r#""format":1"#, r#""format":2"#),
            "line 1: unsupported format 2: expected 1",
        ),
        (
            changed(r#""versions":9"#, r#""versions":9.5"#),
            "line 1: `versions` is not a number",
        ),
        (
            changed(r#","revision":1"#, ""),
            "line 1: `revision` is missing",
        ),
        (
            changed(r#""name":"Acme","#, ""),
            "line 1: unknown member `created` in `tenant`",
        ),
        (
            changed(r#""rules":"{}""#, r#""rules":{}"#),
            "line 2: `rules` is not a string",
        ),
        (
            changed(r#""rules""#, r#""name":"a","rules""#),
            "line 2: not readable as JSON: `name` occurs twice",
        ),
        (
            changed(digest, &digest.replace('a', "g")),
            "line 3: `digest` is not 64 hexadecimal digits",
        ),
        (
            changed(digest, &digest.replace("01", "+1")),
            "line 3: `digest` is not 64 hexadecimal digits",
        ),
        (
            changed(digest, "01"),
            "line 3: `digest` is not 64 hexadecimal digits",
        ),
        (
            changed(r#""groups","#, r#""write","#),
            "line 3: `scopes` must contain only",
        ),
        (
            changed(r#""version":"3""#, r#""version":"a b""#),
            "line 4: `version`: ",
        ),
        (
            changed(r#""document":{"#, r#""shape":1,"document":{"#),
            "line 4: unknown member `shape` in `resource`",
        ),
        (
            changed("Modified\":\"2026", "Modified\":\"2026-"),
            "line 4: `lastModified` is not a date",
        ),
        (
            changed(r#"[{"value":"u1"},{"value":"u2","type":"User"}]"#, "[]"),
            "line 5: `targets` must have 1 to 1000",
        ),
        (
            changed(r#"{"value":"u1"}"#, r#"{"value":"u1","display":"a"}"#),
            "line 5: unknown member `display` in `targets`",
        ),
        (
            changed(r#"{"retired""#, r#"{"deleted""#),
            "line 6: unknown kind of line `deleted`",
        ),
        (
            changed(r#""tokens":1"#, r#""tokens":2"#),
            "line 7: found 1 tokens, but the `end` line has 2",
        ),
        (
            changed(r#""members":2"#, r#""members":1"#),
            "line 7: found 2 members, but the `end` line has 1",
        ),
    ];
    for (lines, expected) in cases {
        let said = refusal(lines.as_bytes(), &ArchiveOptions::default());
        assert!(said.starts_with(expected), "{said}, and not {expected}");
    }
}

#[test]
fn lines_out_of_order_are_rejected() {
    let lines: Vec<_> = LINES.lines().collect();
    for (one, other) in [(1, 2), (2, 3), (3, 5), (4, 5)] {
        let mut lines = lines.clone();
        lines.swap(one, other);
        let said = refusal(
            (lines.join("\n") + "\n").as_bytes(),
            &ArchiveOptions::default(),
        );
        assert!(said.starts_with("line "), "{said}");
    }
    let mut lines = lines;
    lines.swap(4, 5);
    let said = refusal(lines.join("\n").as_bytes(), &ArchiveOptions::default());
    assert_eq!(said, "line 6: the line is out of order");
}

#[test]
fn lines_beyond_limits_are_rejected() {
    let longest = LINES.lines().map(str::len).max().unwrap() + 1;
    let mut options = ArchiveOptions::default();
    options.limits.line = longest;
    take(&MemoryStore::new(), LINES.as_bytes(), &options).unwrap();
    options.limits.line = longest - 1;
    let said = refusal(LINES.as_bytes(), &options);
    assert_eq!(
        said,
        format!("line 3: the line has more than {} bytes", longest - 1)
    );

    let deep = |levels: usize| {
        let open = "[".repeat(levels);
        let shut = "]".repeat(levels);
        LINES.replacen("\"g\"", &format!("\"g\",\"x\":{open}1{shut}"), 1)
    };
    let said = refusal(deep(1 << 16).as_bytes(), &ArchiveOptions::default());
    assert!(said.contains("nested too deeply"), "{said}");
    take(
        &MemoryStore::new(),
        deep(16).as_bytes(),
        &ArchiveOptions::default(),
    )
    .unwrap();

    let mut options = ArchiveOptions::default();
    options.limits.values = 8;
    let said = refusal(LINES.as_bytes(), &options);
    assert!(said.contains("there are too many values"), "{said}");
}

#[test]
fn file_that_is_not_utf8_is_rejected() {
    let said = refusal(b"\xff\xfe\n", &ArchiveOptions::default());
    assert!(said.starts_with("line 1: not readable as JSON"), "{said}");
    let mut lines = LINES.as_bytes().to_vec();
    let at = LINES.find("Acme").unwrap();
    lines[at] = 0xff;
    let said = refusal(&lines, &ArchiveOptions::default());
    assert!(said.starts_with("line 1: not readable as JSON"), "{said}");
}

#[test]
fn debug_output_of_tokens_omits_digests_and_erase_removes_tokens() {
    let store = MemoryStore::new();
    take(&store, LINES.as_bytes(), &ArchiveOptions::default()).unwrap();
    let tokens = now(store.tokens(&TenantId::from("acme"))).unwrap();
    assert!(!format!("{tokens:?}").contains("digest"));
    now(store.erase_tenant(&TenantId::from("acme"))).unwrap();
    assert!(now(store.find_token(&tokens[0].digest)).unwrap().is_none());
}

proptest! {
    /// Changed lines are imported as a whole or not at all, and an imported tenant can be exported and imported again.
    #[test]
    fn changed_lines_are_imported_as_a_whole_or_rejected(
        at in 0..LINES.len(),
        byte in any::<u8>(),
        cut in 0..4_usize,
    ) {
        let mut lines = LINES.as_bytes().to_vec();
        lines.splice(at..(at + cut).min(lines.len()), [byte]);
        let store = MemoryStore::new();
        match take(&store, &lines, &ArchiveOptions::default()) {
            Err(_) => {
                let nothing = lines_of(&store).unwrap_err();
                prop_assert!(matches!(nothing, ArchiveError::Store(StoreError::NotFound)));
            }
            Ok(_) => {
                let kept = lines_of(&store).unwrap();
                let other = MemoryStore::new();
                take(&other, kept.as_bytes(), &ArchiveOptions::default()).unwrap();
                prop_assert_eq!(lines_of(&other).unwrap(), kept);
            }
        }
    }

    #[test]
    fn import_of_any_bytes_does_not_panic(lines in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(take(&MemoryStore::new(), &lines, &ArchiveOptions::default()).is_err());
    }
}

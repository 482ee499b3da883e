//! The documentation of limits.

use scimkit_store::RequestLimits;

#[test]
fn documented_limits_are_complete() {
    let table = include_str!("../../../../docs/limits.md");
    let shown = format!("{:#?}", RequestLimits::default());
    let mut group = String::new();
    for line in shown.lines() {
        let Some((name, value)) = line.trim().split_once(':') else {
            group.clear();
            continue;
        };
        if value.trim_end().ends_with('{') {
            group = format!("{name}.");
            continue;
        }
        assert!(
            table.contains(&format!("| `{group}{name}` |")),
            "{group}{name}"
        );
    }
    assert!(table.contains("| `body` |") && !table.contains("| `nosuch` |"));
}

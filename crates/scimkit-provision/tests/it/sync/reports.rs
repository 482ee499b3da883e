//! Reports, and the comparison of plans.

use std::collections::BTreeSet;

use scimkit_provision::{
    chrono::{DateTime, TimeDelta},
    sync::{
        Absence, GuardBase, GuardLimits, Plan, PlanComparison, PlanScope, PlanSettings,
        ReportFormat, ReportSummary, ReportWriter, SettleTimes, WithheldReason,
    },
};
use scimkit_store::ConnectionId;
use serde_json::{Value, json};

use super::site::{ENTRA, Site, mirrored};

/// A site whose names are hostile.
fn hostile() -> Site {
    let mut site = Site::new();
    site.rules(|rules| rules.groups = mirrored());
    site.user(
        "1",
        json!({"userName": "=cmd|'/c calc'!A0", "title": "<script>alert(1)</script>"}),
    );
    site.user(
        "2",
        json!({"userName": "+1@x.org", "title": "a\"b', c\u{202e}d\n"}),
    );
    site.user("3", json!({"userName": "-3@x.org", "title": "@SUM(1)"}));
    site.group("g", "<b>Staff</b>", &["1", "2"]);
    site
}

fn summary(plan: &Plan, scope: PlanScope) -> ReportSummary {
    let mut settings = PlanSettings::new();
    settings.scope = scope;
    ReportSummary::new("Acme & <Sons>", plan, &settings, DateTime::UNIX_EPOCH)
}

fn report(format: &str, plan: &Plan, summary: &ReportSummary) -> String {
    let mut output = Vec::new();
    let format: ReportFormat = format.parse().unwrap();
    let mut report = ReportWriter::new(format, &mut output, summary).unwrap();
    plan.steps.iter().for_each(|step| report.add(step).unwrap());
    report.finish().unwrap();
    String::from_utf8(output).unwrap()
}

#[test]
fn cells_of_csv_are_no_formulas() {
    let plan = hostile().plan();
    let text = report("csv", &plan, &summary(&plan, PlanScope::Full));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap().len(), 10);
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    // Three users with three fields each, one field of the group, two members.
    assert_eq!(rows.len(), 12);
    let cells: BTreeSet<_> = rows.iter().flatten().collect();
    assert!(
        cells
            .iter()
            .all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])),
        "{cells:?}"
    );
    assert!(cells.contains("'=cmd|'/c calc'!A0") && cells.contains("'@SUM(1)"));
}

#[test]
fn page_escapes_everything_and_needs_no_other_file() {
    let plan = hostile().plan();
    let page = report("html", &plan, &summary(&plan, PlanScope::Full));
    for text in [
        "<script", "<b>", "http:", "https:", "src=", "href=", "\u{202e}", "& <Sons>",
    ] {
        assert!(!page.contains(text), "{text}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("<h1>Acme &amp; &lt;Sons&gt;</h1>") && page.contains("@media print"));
    assert!(
        page.contains("<td>created</td><td class=\"number\">3</td><td class=\"number\">1</td>")
    );
    assert!(page.ends_with("</html>\n"));
}

#[test]
fn json_has_the_summary_and_all_steps() {
    let plan = hostile().plan();
    let text = report("json", &plan, &summary(&plan, PlanScope::Full));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["steps"].as_array().unwrap().len(), plan.steps.len());
    assert_eq!(
        json["summary"]["connections"]["entra"]["users"]["created"],
        3
    );
    assert_eq!(json["summary"]["hash"], plan.hash.to_string());
    assert_eq!(
        json["steps"][0]["key"],
        json!({"subject": "user", "source": {"state": "1"}, "part": 0})
    );
    assert_eq!(json["steps"][0]["differences"][0]["field"], "email");
    let empty = report(
        "json",
        &Plan::default(),
        &summary(&Plan::default(), PlanScope::Full),
    );
    assert_eq!(
        serde_json::from_str::<Value>(&empty).unwrap()["steps"],
        json!([])
    );
}

#[test]
fn table_has_counts_and_differences_and_no_control_characters() {
    let plan = hostile().plan();
    let text = report("table", &plan, &summary(&plan, PlanScope::Full));
    let created = text
        .lines()
        .find(|line| line.starts_with("created "))
        .unwrap();
    assert_eq!(
        created.split_whitespace().collect::<Vec<_>>(),
        ["created", "3", "1"]
    );
    assert!(text.contains("memberships: 2 added, 0 removed, 0 unchanged"));
    assert!(text.contains("job_title: `` -> `a\"b', c\u{fffd}d"));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn report_names_what_blocks_the_run_and_what_an_incremental_one_does_not_see() {
    let mut site = Site::new();
    site.authoritative();
    site.existing("7", json!({"email": "a@x.org"}))
        .link_of(ENTRA, "gone", "7");
    let plan = site.plan();
    let connection = ConnectionId::from(ENTRA);
    let base = GuardBase {
        archivable: 1,
        state_users: 0,
        last_state_users: None,
    };
    let guards = GuardLimits::default().check(&plan.counts[&connection], base);
    let summary = summary(&plan, PlanScope::Incremental).with_blocked(&connection, guards);
    for format in ["table", "html"] {
        let text = report(format, &plan, &summary);
        assert!(
            text.contains("Blocked by entra: the provisioned state has no users."),
            "{text}"
        );
        assert!(text.contains("Local edits are not seen"), "{text}");
    }
}

#[test]
fn report_says_why_users_that_were_never_sent_are_not_archived() {
    let mut site = Site::new();
    site.rules(|rules| rules.absence = Absence::Withhold(WithheldReason::NotQuiet));
    site.existing("7", json!({"email": "a@x.org"}));
    let plan = site.plan();
    let summary = ReportSummary::new("Acme", &plan, &site.settings, DateTime::UNIX_EPOCH);
    let text = report("table", &plan, &summary);
    let sentence = "entra: 1 users were never sent, and are not archived in this run, since the identity provider is still sending.";
    assert!(text.contains(sentence), "{text}");
}

#[test]
fn report_forecasts_the_seats() {
    let mut site = Site::new();
    site.settings.capacity = Some(1);
    site.user("1", json!({"userName": "a@x.org"}))
        .user("2", json!({"userName": "b@x.org"}));
    let plan = site.plan();
    let text = report("table", &plan, &summary(&plan, PlanScope::Full));
    assert!(
        text.contains("Seats: 0 of 1 now, 1 after, 1 users rejected."),
        "{text}"
    );
    assert!(
        text.contains("rejected  user       b@x.org: no seat is left"),
        "{text}"
    );
}

#[test]
fn plans_are_compared_by_users_groups_and_memberships() {
    let mut site = hostile();
    let first = site.plan();
    let same = PlanComparison::new(&first.steps, &first.steps);
    // Three users, a group and two memberships.
    assert_eq!((same.same, same.differences()), (6, 0));
    site.user("3", json!({"userName": "-3@x.org", "title": "other"}))
        .user("4", json!({"userName": "d@x.org"}));
    site.group("g", "<b>Staff</b>", &["2", "3", "4"]);
    let comparison = PlanComparison::new(&first.steps, &site.plan().steps);
    assert_eq!((comparison.same, comparison.changed), (4, 1));
    assert_eq!((comparison.only_first, comparison.only_second), (1, 3));
    let back = PlanComparison::new(&site.plan().steps, &first.steps);
    assert_eq!((back.only_first, back.only_second), (3, 1));
}

#[test]
fn plans_are_settled_if_they_differ_in_10_lines_or_one_percent() {
    let times = SettleTimes::new(TimeDelta::minutes(15), TimeDelta::minutes(45));
    let plan = |users: std::ops::Range<usize>| {
        let mut site = Site::new();
        for id in users {
            site.user(&id.to_string(), json!({"userName": format!("{id}@x.org")}));
        }
        site.plan()
    };
    let first = plan(0..20);
    for (users, is_settled) in [(0..30, true), (0..31, false)] {
        let comparison = PlanComparison::new(&first.steps, &plan(users).steps);
        assert_eq!(comparison.is_settled(&times), is_settled);
    }
    let first = plan(0..2_000);
    for (users, is_settled) in [(20..2_000, true), (21..2_000, false)] {
        let comparison = PlanComparison::new(&first.steps, &plan(users).steps);
        assert_eq!(comparison.is_settled(&times), is_settled, "{comparison:?}");
    }
    let comparison = PlanComparison::new(&first.steps, &first.steps);
    assert!(!comparison.is_settled(&SettleTimes::new(
        TimeDelta::minutes(14),
        TimeDelta::minutes(45)
    )));
    assert!(!comparison.is_settled(&SettleTimes::new(
        TimeDelta::minutes(15),
        TimeDelta::minutes(44)
    )));
}

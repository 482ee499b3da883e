//! The requirements of the RFCs on our own server, and what proves each of them.

mod mutants;
mod page;
mod partial;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use scimkit_registry::Tolerance;
use scimkit_server::Server;
use scimkit_store::BoxFuture;
use scimkit_testkit::{
    conformance::{
        self, ConformanceCheck, ConformanceError, Requirement, RequirementLevel, RequirementVerdict,
    },
    replay::{HttpTarget, Mode, Scenario, TransportError},
};
use serde_json::{Value, json};

use crate::{
    protocol,
    servers::{STORES, TOKEN, server},
};

#[tokio::test]
async fn our_server_meets_every_tested_requirement_over_every_store() {
    for (store, make) in STORES {
        let profiles: [(_, &[Mode]); 2] = [
            (Tolerance::DEFAULT, &[Mode::Both]),
            (Tolerance::STRICT, &[Mode::Both, Mode::Rfc]),
        ];
        for (tolerance, modes) in profiles {
            let server = server(make(), tolerance);
            let check = ConformanceCheck::new(&server).with_token(TOKEN);
            let report = check.with_modes(modes.iter().copied()).run().await.unwrap();
            let other = |verdict: &RequirementVerdict| {
                !matches!(
                    verdict,
                    RequirementVerdict::Passed(_) | RequirementVerdict::Untested
                )
            };
            let problems = report
                .outcomes
                .iter()
                .filter(|outcome| other(&outcome.verdict));
            assert_eq!(problems.count(), 0, "{store}: {report}");
            assert!(report.warnings.is_empty(), "{store}: {report}");
            assert!(report.counts(RequirementLevel::Must).passed > 150);
        }
    }
}

/// A case, a test, or a reason why there is neither.
#[test]
fn every_requirement_is_proven_or_has_a_reason() {
    let proofs = proofs();
    let mut problems = Vec::new();
    for Requirement {
        id, reason, tests, ..
    } in requirements()
    {
        let proven = proofs.contains_key(&id) || !tests.is_empty();
        match (proven, reason) {
            (false, None) => {
                problems.push(format!("{id}: nothing proves it, and there is no reason"))
            }
            (true, Some(reason)) => problems.push(format!("{id}: it is proven, but: {reason}")),
            _ => {}
        }
        problems.extend(
            tests
                .iter()
                .filter(|test| !is_there(test))
                .map(|test| format!("{id}: there is no test or check `{test}`")),
        );
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_case_names_existing_requirements() {
    let known: BTreeSet<_> = requirements().into_iter().map(|r| r.id).collect();
    let mut names = BTreeSet::new();
    for case in all_cases() {
        let unknown: Vec<_> = case
            .proves
            .iter()
            .filter(|id| !known.contains(*id))
            .collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", case.name());
        assert!(names.insert(case.name()), "{} twice", case.name());
    }
    for case in conformance::cases().unwrap() {
        let name = case.name();
        assert!(
            name.starts_with("rfc/") && !case.proves.is_empty(),
            "{name}"
        );
        assert!(case.settings.is_empty() && !case.quirk.is_empty(), "{name}");
    }
}

/// The built-in cases are the files in the folder.
#[test]
fn every_file_of_cases_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance");
    let names = |cases: &[Scenario]| cases.iter().map(Scenario::name).collect::<BTreeSet<_>>();
    let there = Scenario::load(Path::new(folder)).unwrap();
    assert_eq!(names(&there), names(&conformance::cases().unwrap()));
}

/// A case names every user attribute that it uses, so that it is adapted to the server or skipped.
#[test]
fn every_case_declares_the_attributes_that_it_uses() {
    let users = scimkit_core::builtin::user();
    for case in conformance::cases().unwrap() {
        let steps = serde_json::to_string(&case.steps).unwrap();
        let steps = steps
            .replace("%20", " ")
            .replace("%28", "(")
            .replace("%5B", "[")
            .replace("/Groups", "");
        let words: BTreeSet<_> = steps
            .split(|letter: char| !letter.is_ascii_alphanumeric() && !"{}".contains(letter))
            .map(str::to_lowercase)
            .collect();
        let declared = |paths: &[String], name: &str| {
            let own = |path: &String| path.split('.').next().unwrap().eq_ignore_ascii_case(name);
            paths.iter().any(own)
        };
        // Groups have one, too, and schemas and types have a name.
        let ambiguous = ["displayname", "name", "roles"];
        for attribute in &users.attributes {
            let name = attribute.name.to_lowercase();
            if words.contains(&name) && !ambiguous.contains(&&*name) && name != "username" {
                assert!(
                    declared(&case.requires_attributes, &name),
                    "{}: {name}",
                    case.name()
                );
            }
            if words.contains(&format!("{{{{{name}}}}}")) {
                assert!(declared(&case.attributes, &name), "{}: {name}", case.name());
            }
        }
    }
}

#[test]
fn page_is_up_to_date() {
    let page = page::of(&requirements(), &proofs());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md");
    if std::env::var_os("SCIMKIT_WRITE_DOCS").is_some() {
        fs::create_dir_all(Path::new(file).parent().unwrap()).unwrap();
        fs::write(file, &page).unwrap();
    }
    let there = fs::read_to_string(file).unwrap_or_default();
    assert!(
        there == page,
        "docs/conformance.md is not what the cases say; to write it:\n\
         SCIMKIT_WRITE_DOCS=1 cargo test -p scimkit-testkit page_is_up_to_date"
    );
}

/// A server that deviates in some ways.
struct Odd(Server);

impl HttpTarget for Odd {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let discovery = request.uri().path() == "/ServiceProviderConfig";
            let mut answer = self.0.send(request).await?;
            if answer.status() == StatusCode::CREATED {
                answer.headers_mut().remove("location");
            }
            if discovery {
                let mut body: Value = serde_json::from_slice(answer.body())?;
                body["patch"]["supported"] = json!(false);
                *answer.body_mut() = body.to_string().into();
            }
            Ok(answer)
        })
    }
}

#[tokio::test]
async fn deviations_are_found_and_missing_features_are_skipped() {
    let odd = Odd(server(STORES[0].1(), Tolerance::DEFAULT));
    let report = ConformanceCheck::new(&odd)
        .with_token(TOKEN)
        .run()
        .await
        .unwrap();
    let found: Vec<_> = report
        .failures()
        .map(|(requirement, _)| &*requirement.id)
        .collect();
    assert_eq!(found, ["7643-3.1-14", "7644-3.3-06"], "{report}");
    let verdict = |id: &str| {
        let of = |outcome: &&conformance::RequirementResult| outcome.requirement.id == id;
        report.outcomes.iter().find(of).unwrap().verdict.clone()
    };
    let RequirementVerdict::Skipped(why) = verdict("7644-3.5.2.1-05") else {
        panic!("{report}");
    };
    assert_eq!(why, "the server says that it does not support patch");
    assert!(
        matches!(verdict("7644-3.6-02"), RequirementVerdict::Passed(_)),
        "it has a case without PATCH"
    );
    let text = report.to_string();
    let line = "failed   7644-3.3-06 MUST, RFC 7644 section 3.3: Location header and meta.location are both set\n  \
                rfc/create/location (`Location` and `meta.location` of a new resource are its URI, and the same): step 1/3 POST /Users: ";
    assert!(text.contains(line), "{text}");
    // The cause is shown once, with both requirements that it breaks.
    assert_eq!(text.matches("rfc/create/location (").count(), 1, "{text}");
    let both = "failed   7643-3.1-14 MUST, RFC 7643 section 3.1: ";
    assert!(text.contains(both), "{text}");
    let causes = report.causes();
    assert_eq!(causes.len(), 1);
    let ids: Vec<_> = causes[0].requirements.iter().map(|r| &*r.id).collect();
    assert_eq!(ids, ["7643-3.1-14", "7644-3.3-06"]);
    let section = report
        .sections()
        .into_iter()
        .find(|s| s.place == "RFC 7644 section 3.3");
    let counts = section.unwrap().must;
    assert_eq!((counts.failed, counts.skipped), (1, 0));
    let row = format!(
        "\nRFC 7644 section 3.3      MUST {} passed, 1 failed, 0 skipped",
        counts.passed
    );
    assert!(text.contains(&row), "{text}");
    assert!(report.cases.skipped > 30 && report.cases.failed == 1);
    assert_eq!(report.skipped.len(), report.cases.skipped);
    assert!(
        report
            .skipped
            .iter()
            .all(|skipped| !skipped.reason.is_empty())
    );
}

/// A server that creates nothing, and says so at length.
struct Full;

impl HttpTarget for Full {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let created = request.method() == http::Method::POST;
        let body = format!(
            "{{\"page\": \"{}\", \"z\": \"the\u{1b}[2J\\n cause\"}}",
            "x".repeat(9_000)
        );
        let mut answer = Response::new(Bytes::from(if created { body } else { "{}".to_owned() }));
        if created {
            *answer.status_mut() = StatusCode::INSUFFICIENT_STORAGE;
        }
        Box::pin(std::future::ready(Ok(answer)))
    }
}

#[tokio::test]
async fn cause_of_many_failures_is_shown_once_with_the_relevant_part_of_its_body() {
    let report = ConformanceCheck::new(&Full).run().await.unwrap();
    assert!(
        report.counts(RequirementLevel::Must).failed > 100,
        "{report}"
    );
    let causes = report.causes();
    let created = causes
        .iter()
        .filter(|cause| cause.findings[0].failure.request == "POST /Users");
    let created: Vec<_> = created
        .filter(|cause| cause.findings[0].failure.step == 1)
        .filter(|cause| cause.findings[0].failure.reason.contains("expected 201;"))
        .collect();
    assert_eq!(created.len(), 1, "{report}");
    assert!(created[0].requirements.len() > 80 && created[0].findings.len() > 80);
    let text = report.to_string();
    assert!(
        text.contains(r"the\u{1b}[2J\n cause") || text.contains(r"the\u001b[2J\n cause"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'));
}

#[tokio::test]
async fn server_that_rejects_the_token_is_not_judged() {
    let server = server(STORES[0].1(), Tolerance::DEFAULT);
    let refused = ConformanceCheck::new(&server)
        .with_token("another")
        .run()
        .await;
    assert!(
        matches!(refused, Err(ConformanceError::Refused(401))),
        "{refused:?}"
    );
}

fn requirements() -> Vec<Requirement> {
    conformance::requirements().unwrap()
}

fn all_cases() -> Vec<Scenario> {
    let mut cases = conformance::cases().unwrap();
    cases.extend(protocol::cases());
    cases
}

/// Returns the names of the cases that prove each requirement.
fn proofs() -> BTreeMap<String, Vec<String>> {
    let mut proofs = BTreeMap::<_, Vec<_>>::new();
    for case in all_cases() {
        for id in &case.proves {
            proofs.entry(id.clone()).or_default().push(case.name());
        }
    }
    proofs
}

/// Returns whether a file below `crates` has a test or a check with that name.
fn is_there(test: &str) -> bool {
    let (file, name) = test.split_once("::").unwrap();
    let crates = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let text = fs::read_to_string(crates.join(file)).unwrap_or_default();
    text.contains(&format!("fn {name}(")) || text.contains(&format!("name: \"{name}\""))
}

//! The devices of RFC 9944, a resource type from JSON alone, over every store and in every profile.

use std::sync::{Arc, Barrier};

use bytes::Bytes;
use http::Request;
use scimkit_registry::{Registry, Tolerance};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{Settings, Store};
use scimkit_testkit::replay::{HttpTarget, Replay, Scenario};
use serde_json::json;

use crate::servers::{STORES, TOKEN};

fn server(store: Arc<dyn Store>, tolerance: Tolerance, schemas: &str, types: &str) -> Server {
    let registry = Registry::builder()
        .schemas_json(schemas)
        .and_then(|builder| builder.resource_types_json(types))
        .and_then(|builder| builder.build());
    let mut settings = Settings::new("https://scim.test/v2");
    settings.registry = Arc::new(registry.unwrap());
    settings.tolerance = tolerance;
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(store, settings).with_authentication(BearerTokens::new([token.digest()]))
}

#[tokio::test]
async fn devices_work_from_json_alone() {
    let scenario = Scenario::from_json(include_str!("devices/scenario.json")).unwrap();
    for (store, make) in STORES {
        for tolerance in Tolerance::PROFILES {
            let schemas = include_str!("devices/schemas.json");
            let types = include_str!("devices/resource-types.json");
            let server = server(make(), tolerance, schemas, types);
            let replay = Replay::new(&server).with_token(TOKEN);
            let report = replay.run(std::slice::from_ref(&scenario)).await;
            assert!(
                report.holds(),
                "{store}, {}: {report:#}",
                tolerance.profile()
            );
        }
    }
}

#[test]
fn one_of_parallel_creates_with_a_serial_number_wins() {
    const THREADS: usize = 8;
    for (store, make) in STORES {
        let schemas = include_str!("../../protocol/schemas/device.json");
        let types = include_str!("../../protocol/schemas/resource-types.json");
        let server = server(make(), Tolerance::DEFAULT, schemas, types);
        let barrier = Barrier::new(THREADS);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let ask = |n: usize| {
                let (barrier, server) = (&barrier, &server);
                scope.spawn(move || {
                    // In different case, because the attribute is not case exact.
                    let serial = if n.is_multiple_of(2) {
                        "Straße-7"
                    } else {
                        "STRASSE-7"
                    };
                    let warranty = "urn:example:params:scim:schemas:extension:2.0:Warranty";
                    let body = json!({"label": "l", "serial": serial,
                        warranty: {"until": "2030-01-01T00:00:00Z"}});
                    let request = Request::post("/Devices")
                        .header("authorization", format!("Bearer {TOKEN}"))
                        .body(Bytes::from(body.to_string()));
                    barrier.wait();
                    let runtime = tokio::runtime::Builder::new_current_thread().build();
                    let answer = runtime.unwrap().block_on(server.send(request.unwrap()));
                    answer.unwrap().status().as_u16()
                })
            };
            let threads: Vec<_> = (0..THREADS).map(ask).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let made = statuses.iter().filter(|status| **status == 201).count();
        let taken = statuses.iter().filter(|status| **status == 409).count();
        assert_eq!((made, taken), (1, THREADS - 1), "{store}: {statuses:?}");
    }
}

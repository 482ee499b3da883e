//! A filter at the depth limit fits a small stack, also in a debug build.

use scimkit_filter::{Filter, MAX_DEPTH, ParseLimits, ParseOptions};
use scimkit_registry::{Meter, Registry, ResourceView, Tolerance};
use serde_json::json;

#[test]
fn the_deepest_filter_fits_a_stack_of_128_kib() {
    let task = || {
        let registry = Registry::standard();
        let user = registry.resource_type("User").unwrap();
        let body = json!({"userName": "b", "emails": [{"value": "x"}]});
        let resource = user.admit(body, &Tolerance::DEFAULT).unwrap();
        for depth in [
            usize::from(ParseLimits::default().depth),
            usize::from(MAX_DEPTH),
        ] {
            let limits = ParseLimits::default().with_depth(MAX_DEPTH);
            let options = ParseOptions::default().with_limits(limits);
            // `not` and its parenthesis are one level, the brackets another.
            let text = format!(
                "{}emails[value eq \"x\"]{}",
                "not (".repeat(depth - 1),
                ")".repeat(depth - 1)
            );
            let filter = Filter::parse_with(&text, &options).unwrap();
            assert_eq!(filter.to_string(), text);
            let predicate = user.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
            assert_eq!(predicate, predicate.clone());
            let odd = (depth - 1) % 2 == 1;
            assert_ne!(
                user.matches(
                    &predicate,
                    ResourceView::new(&resource),
                    &Meter::unlimited()
                )
                .unwrap(),
                odd
            );
            assert!(Filter::parse_with(&format!("not ({text})"), &options).is_err() || depth < 64);
        }
    };
    let small = std::thread::Builder::new().stack_size(128 << 10);
    small.spawn(task).unwrap().join().unwrap();
}

//! Runs from their cause to the directory: schedule, test mode, guards, and what a crash leaves.

use std::{
    collections::BTreeSet,
    future::{pending, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    task::Poll,
};

use chrono::{DateTime, TimeDelta, Utc};
use scimkit_mapping::Mapping;
use scimkit_provision::{
    Clock, ConnectionSettings, NewToken, TenantAdmin,
    sync::{
        Directory, DirectoryChange, DirectoryError, DirectoryGroup, DirectoryUser, PlanScope, Run,
        RunId, RunState, RunStore, StepId, StoreDirectory, SyncRunner, SyncStore,
    },
};
use scimkit_registry::{Change, ResourceId, Tolerance};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    BoxFuture, ConnectionId, ExpectedVersion, MemoryStore, RequestContext, Settings, Store,
    StoreExt as _, TenantId, TenantSource,
};
use serde_json::{Value, json};

const MAPPING: &str = r#"
[[User.map]]
scim = "userName"
field = "email"
matching = true

[[User.map]]
scim = "title"
field = "job"

[[Group.map]]
scim = "displayName"
field = "name"
"#;

/// The time of the tests, in minutes.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
            + TimeDelta::days(20_000)
            + TimeDelta::minutes(self.0.load(Ordering::SeqCst))
    }

    fn turn(&self, minutes: i64) {
        self.0.fetch_add(minutes, Ordering::SeqCst);
    }
}

/// A tenant with staged delivery into a product.
struct World {
    _folder: Option<tempfile::TempDir>,
    hands: Hands,
    product: Arc<MemoryStore>,
    state: Arc<dyn SyncStore>,
    tenant: TenantId,
}

fn settings() -> Settings {
    Settings::new("https://app.example/scim/v2")
}

fn mapping() -> Arc<Mapping> {
    let registry = settings().registry;
    Arc::new(Mapping::builder().text(MAPPING).build(&registry).unwrap())
}

impl World {
    async fn new(rules: &str) -> Self {
        World::over(Arc::new(MemoryStore::new()), None, rules).await
    }

    async fn in_a_file(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("state.sqlite")).unwrap();
        World::over(Arc::new(store), Some(folder), rules).await
    }

    async fn over(
        state: Arc<dyn SyncStore>,
        folder: Option<tempfile::TempDir>,
        rules: &str,
    ) -> Self {
        let world = World {
            _folder: folder,
            hands: Hands::default(),
            product: Arc::new(MemoryStore::new()),
            state,
            tenant: TenantId::from("acme"),
        };
        let admin = world.admin();
        let entra = ConnectionId::from("entra");
        admin
            .ensure_connection(&world.tenant, &entra)
            .await
            .unwrap();
        admin
            .create_token(&world.tenant, &entra, &NewToken::new("first"))
            .await
            .unwrap();
        world.configure(rules).await;
        world
    }

    fn admin(&self) -> TenantAdmin {
        let state: Arc<dyn SyncStore> = Arc::clone(&self.state);
        let hands = self.hands.clone();
        TenantAdmin::new(state).with_clock(Clock::of(move || hands.now()))
    }

    /// Sets the settings of the connection.
    async fn configure(&self, rules: &str) {
        let admin = self.admin();
        let entra = admin
            .connection(&self.tenant, &ConnectionId::from("entra"))
            .await
            .unwrap();
        let mut members: Value = serde_json::from_str(rules).unwrap();
        members["delivery"] = "staged".into();
        let rules = ConnectionSettings::from_json(&members.to_string()).unwrap();
        admin
            .change_connection(&entra, "entra", &rules)
            .await
            .unwrap();
    }

    fn provider(&self) -> RequestContext {
        let settings = Arc::new(settings());
        RequestContext::new(self.tenant.clone(), settings).with_connection("entra".into())
    }

    fn product_context(&self) -> RequestContext {
        RequestContext::new(TenantId::default(), Arc::new(settings()))
    }

    /// The identity provider creates a user or group.
    async fn send(&self, kind: &str, id: &str, body: Value) {
        create(
            &*self.state,
            &self.provider(),
            self.hands.now(),
            (kind, id),
            body,
        )
        .await;
    }

    async fn change(&self, kind: &str, id: &str, body: Value) {
        replace(
            &*self.state,
            &self.provider(),
            self.hands.now(),
            (kind, id),
            body,
        )
        .await;
    }

    async fn delete(&self, id: &str) {
        let context = self.provider();
        let kind = context
            .settings
            .registry
            .resource_type("User")
            .unwrap()
            .clone();
        let place = (kind, ResourceId::from(id));
        let removal = self
            .state
            .delete(&context, self.hands.now(), place, ExpectedVersion::Any);
        removal.await.unwrap();
    }

    /// The product creates a user by itself.
    async fn hire(&self, id: &str, email: &str) {
        let body = json!({"userName": email});
        let context = self.product_context();
        create(
            &*self.product,
            &context,
            self.hands.now(),
            ("User", id),
            body,
        )
        .await;
    }

    fn directory(&self) -> StoreDirectory {
        StoreDirectory::new(self.product.clone(), self.product_context(), mapping())
    }

    fn runner(&self, directory: impl Directory) -> SyncRunner {
        let directory: Arc<dyn Directory> = Arc::new(directory);
        let hands = self.hands.clone();
        SyncRunner::new(self.state.clone(), settings(), move |_| {
            Some(directory.clone())
        })
        .with_mapping(mapping())
        .with_clock(Clock::of(move || hands.now()))
    }

    async fn look(&self) {
        self.runner(self.directory()).look().await;
    }

    fn runs(&self) -> RunStore {
        RunStore::new(self.state.clone(), self.tenant.clone())
    }

    async fn last(&self) -> Run {
        self.runs().runs(1).await.unwrap().pop().unwrap()
    }

    async fn states(&self) -> Vec<RunState> {
        let runs = self.runs().runs(100).await.unwrap();
        runs.iter().rev().map(|run| run.state).collect()
    }

    /// The users of the product: their names, jobs, and whether they are active.
    async fn people(&self) -> Vec<(String, String, bool)> {
        let users = self.directory().users(None, 1000).await.unwrap();
        let text = |user: &DirectoryUser, field: &str| {
            user.fields
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or("-")
                .to_owned()
        };
        let mut people: Vec<_> = users
            .iter()
            .map(|user| (text(user, "email"), text(user, "job"), !user.is_archived))
            .collect();
        people.sort();
        people
    }

    /// The groups of the product with the names of their members.
    async fn teams(&self) -> Vec<(String, Vec<String>)> {
        let users = self.directory().users(None, 1000).await.unwrap();
        let name = |id: &ResourceId| {
            let user = users.iter().find(|user| user.id == *id).unwrap();
            user.fields["email"].as_str().unwrap().to_owned()
        };
        let groups = self.directory().groups(None, 1000).await.unwrap();
        let team = |group: &DirectoryGroup| {
            let mut members: Vec<_> = group.members.iter().map(name).collect();
            members.sort();
            (group.fields["name"].as_str().unwrap().to_owned(), members)
        };
        groups.iter().map(team).collect()
    }
}

async fn create(
    store: &(impl Store + ?Sized),
    context: &RequestContext,
    at: DateTime<Utc>,
    (kind, id): (&str, &str),
    body: Value,
) {
    let kind = context.settings.registry.resource_type(kind).unwrap();
    let change = Change::admit(kind, body, &Tolerance::DEFAULT).unwrap();
    let created = store
        .create(context, at, ResourceId::from(id), change)
        .await;
    created.unwrap();
}

async fn replace(
    store: &(impl Store + ?Sized),
    context: &RequestContext,
    at: DateTime<Utc>,
    (kind, id): (&str, &str),
    body: Value,
) {
    let kind = context.settings.registry.resource_type(kind).unwrap();
    let id = ResourceId::from(id);
    let stored = store
        .read(context, kind, &id, &Default::default())
        .await
        .unwrap();
    let before = stored.document.tree().unwrap().into_owned();
    let after = kind.admit(body, &Tolerance::DEFAULT).unwrap();
    let change = Change::between(kind.clone(), Some(&before), &after);
    let changed = store
        .update(context, at, id, change, ExpectedVersion::Any)
        .await;
    changed.unwrap();
}

fn user(name: &str, job: &str) -> Value {
    json!({"userName": name, "title": job})
}

fn person(name: &str, job: &str, is_active: bool) -> (String, String, bool) {
    (name.to_owned(), job.to_owned(), is_active)
}

#[tokio::test]
async fn what_was_sent_is_delivered_and_followed() {
    for world in [World::new("{}").await, World::in_a_file("{}").await] {
        world.hire("p1", "ada@example.com").await;
        world
            .send("User", "u1", user("Ada@example.com", "Director"))
            .await;
        world
            .send("User", "u2", user("babs@example.com", "Engineer"))
            .await;
        let members = json!([{"value": "u1"}, {"value": "u2"}]);
        world
            .send(
                "Group",
                "g1",
                json!({"displayName": "Sales", "members": members}),
            )
            .await;
        world.look().await;
        let run = world.last().await;
        assert_eq!(run.state, RunState::Completed, "{run:?}");
        assert_eq!(run.scope, PlanScope::Full);
        let expected = [
            person("Ada@example.com", "Director", true),
            person("babs@example.com", "Engineer", true),
        ];
        assert_eq!(world.people().await, expected);
        let both = ["Ada@example.com", "babs@example.com"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(world.teams().await, [("Sales".to_owned(), both)]);

        // A rename, a leaver who comes back, and a member who goes: incremental runs.
        world.hands.turn(20);
        world
            .change("User", "u1", user("ada.king@example.com", "Director"))
            .await;
        world
            .change(
                "User",
                "u2",
                json!({"userName": "babs@example.com", "active": false}),
            )
            .await;
        world.look().await;
        assert_eq!(world.last().await.scope, PlanScope::Incremental);
        let gone = [
            person("ada.king@example.com", "Director", true),
            person("babs@example.com", "Engineer", false),
        ];
        assert_eq!(world.people().await, gone);
        world.hands.turn(20);
        world
            .change("User", "u2", user("babs@example.com", "Manager"))
            .await;
        world.look().await;
        let back = person("babs@example.com", "Manager", true);
        assert_eq!(world.people().await[1], back);
        assert_eq!(
            world.last().await.summary.unwrap().connections["entra"]
                .users
                .restored,
            1
        );
        world.hands.turn(20);
        world.delete("u1").await;
        world.look().await;
        assert!(!world.people().await[0].2);
    }
}

#[tokio::test]
async fn incremental_run_leaves_local_edits_and_a_full_one_overwrites_them() {
    let world = World::new("{}").await;
    world
        .send("User", "u1", user("ada@example.com", "Director"))
        .await;
    world
        .send("User", "u2", user("babs@example.com", "Engineer"))
        .await;
    world.look().await;
    let context = world.product_context();
    let users = world.directory().users(None, 10).await.unwrap();
    let ada = users
        .iter()
        .find(|user| user.fields["email"] == "ada@example.com")
        .unwrap();
    let edited = json!({"userName": "ada@example.com", "title": "Chair", "active": true});
    let place = ("User", ada.id.as_str());
    replace(&*world.product, &context, world.hands.now(), place, edited).await;
    world.hands.turn(20);
    world
        .change("User", "u2", user("babs@example.com", "Manager"))
        .await;
    world.look().await;
    assert_eq!(world.last().await.scope, PlanScope::Incremental);
    let expected = [
        person("ada@example.com", "Chair", true),
        person("babs@example.com", "Manager", true),
    ];
    assert_eq!(world.people().await, expected);
    world.runs().ask("ines", world.hands.now()).await.unwrap();
    world.look().await;
    assert_eq!(
        world.people().await[0],
        person("ada@example.com", "Director", true)
    );
}

#[tokio::test]
async fn write_within_the_interval_is_skipped_once_and_delivered_by_one_trailing_run() {
    let world = World::new("{}").await;
    world.send("User", "u1", user("ada@example.com", "1")).await;
    world.look().await;
    for minute in 0..5 {
        world.hands.turn(1);
        world
            .change(
                "User",
                "u1",
                user("ada@example.com", &format!("2.{minute}")),
            )
            .await;
        world.look().await;
    }
    use RunState::{Completed, Skipped};
    assert_eq!(world.states().await, [Completed, Skipped]);
    assert!(
        world
            .last()
            .await
            .reason
            .unwrap()
            .contains("the next one starts at")
    );
    world.hands.turn(10);
    world.look().await;
    world.look().await;
    assert_eq!(world.states().await, [Completed, Skipped, Completed]);
    assert_eq!(world.people().await[0].1, "2.4");
    world.hands.turn(60);
    world.look().await;
    assert_eq!(world.states().await.len(), 3, "nothing was written");
    world.hands.turn(24 * 60);
    world.look().await;
    assert_eq!(world.last().await.scope, PlanScope::Full);
    assert_eq!(world.states().await.len(), 4, "the daily run");
}

#[tokio::test]
async fn forced_run_passes_the_interval_and_joins_one_that_has_not_ended() {
    let world = World::new("{}").await;
    world.send("User", "u1", user("ada@example.com", "1")).await;
    world.look().await;
    world
        .change("User", "u1", user("ada@example.com", "2"))
        .await;
    let asked = world.runs().ask("ines", world.hands.now()).await.unwrap();
    assert_eq!(asked.id, RunId::new(2));
    assert_eq!(
        world.runs().ask("jim", world.hands.now()).await.unwrap().id,
        asked.id
    );
    world.look().await;
    let run = world.last().await;
    assert_eq!(
        (run.id, run.state, run.scope),
        (asked.id, RunState::Completed, PlanScope::Full)
    );
    let expected: BTreeSet<_> = ["ines", "jim"].map(str::to_owned).into();
    assert_eq!(run.asked_by, expected);
    assert_eq!(world.people().await[0].1, "2");
}

/// A directory that must not be changed.
#[derive(Debug)]
struct Untouched(StoreDirectory);

impl Directory for Untouched {
    fn apply<'a>(
        &'a self,
        _: &'a StepId,
        change: &'a DirectoryChange,
    ) -> BoxFuture<'a, Result<Option<ResourceId>, DirectoryError>> {
        panic!("{change:?}")
    }

    fn groups<'a>(
        &'a self,
        after: Option<&'a ResourceId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DirectoryGroup>, DirectoryError>> {
        self.0.groups(after, limit)
    }

    fn users<'a>(
        &'a self,
        after: Option<&'a ResourceId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DirectoryUser>, DirectoryError>> {
        self.0.users(after, limit)
    }
}

#[tokio::test]
async fn test_mode_ends_with_the_report_and_the_next_run_is_live() {
    let world = World::new(r#"{"test_mode": true}"#).await;
    world.hire("p1", "ada@example.com").await;
    world
        .send("User", "u1", user("ada@example.com", "Director"))
        .await;
    world
        .send("User", "u2", user("babs@example.com", "Engineer"))
        .await;
    world.runner(Untouched(world.directory())).look().await;
    let run = world.last().await;
    assert_eq!(run.state, RunState::Test, "{run:?}");
    let counts = &run.summary.unwrap().connections["entra"];
    assert_eq!((counts.users.created, counts.users.changed), (1, 1));
    let steps = world.runs().steps(run.id, 0).await.unwrap();
    assert_eq!(steps.len(), 2, "{steps:?}");
    // A request is a test, too.
    world.runs().ask("ines", world.hands.now()).await.unwrap();
    world.runner(Untouched(world.directory())).look().await;
    assert_eq!(world.last().await.state, RunState::Test);
    assert_eq!(world.runs().backup().await.unwrap(), None);
    world.hire("p2", "=cmd@example.com").await;
    world.hands.turn(20);
    world.configure("{}").await;
    world.look().await;
    assert_eq!(world.last().await.state, RunState::Completed);
    let backup =
        "Directory Id,Is Archived,email\np1,false,ada@example.com\np2,false,'=cmd@example.com\n";
    assert_eq!(
        world.runs().backup().await.unwrap().as_deref(),
        Some(backup)
    );
    world.hands.turn(20);
    world
        .change("User", "u2", user("babs@example.com", "Manager"))
        .await;
    world.look().await;
    assert_eq!(
        world.runs().backup().await.unwrap().as_deref(),
        Some(backup),
        "of the first run"
    );
    assert_eq!(world.people().await.len(), 3);
}

#[tokio::test]
async fn blocked_run_changes_nothing_until_its_plan_is_approved() {
    let world = World::new(r#"{"guards": {"archived_base": 5}}"#).await;
    for n in 0..10 {
        world
            .send(
                "User",
                &format!("u{n}"),
                user(&format!("u{n}@example.com"), "1"),
            )
            .await;
    }
    world.look().await;
    assert_eq!(world.people().await.len(), 10);
    world.hands.turn(20);
    for n in 0..3 {
        world.delete(&format!("u{n}")).await;
    }
    world.look().await;
    let blocked = world.last().await;
    assert_eq!(blocked.state, RunState::Blocked, "{blocked:?}");
    assert_eq!(
        blocked.reason.as_deref(),
        Some("entra: 3 of 10 users would be archived")
    );
    let active = async || {
        world
            .people()
            .await
            .iter()
            .filter(|person| person.2)
            .count()
    };
    assert_eq!(active().await, 10);
    // Nothing new: it is not repeated.
    world.hands.turn(20);
    world.look().await;
    assert_eq!(world.last().await.id, blocked.id);

    // The plan has changed since: the approval is not for this one.
    world.delete("u3").await;
    let approval = world
        .runs()
        .approve(blocked.id, "ines", world.hands.now())
        .await
        .unwrap();
    world.look().await;
    let again = world.last().await;
    assert_eq!(
        (again.id, again.state),
        (approval.id, RunState::Blocked),
        "{again:?}"
    );
    assert_eq!(active().await, 10);

    world.hands.turn(20);
    let approval = world
        .runs()
        .approve(again.id, "ines", world.hands.now())
        .await
        .unwrap();
    world.look().await;
    assert_eq!(
        world.last().await.state,
        RunState::Completed,
        "{:?}",
        world.last().await
    );
    assert_eq!(world.last().await.id, approval.id);
    assert_eq!(active().await, 6);
    let error = world
        .runs()
        .approve(approval.id, "ines", world.hands.now())
        .await;
    assert!(error.unwrap_err().to_string().contains("is not blocked"));
}

#[tokio::test]
async fn rejected_plan_is_not_approved() {
    let world = World::new(r#"{"guards": {"archived_base": 1, "archived_percent": 10}}"#).await;
    world.send("User", "u1", user("ada@example.com", "1")).await;
    world
        .send("User", "u2", user("babs@example.com", "1"))
        .await;
    world.look().await;
    world.hands.turn(20);
    world.delete("u1").await;
    world.look().await;
    let blocked = world.last().await;
    assert_eq!(blocked.state, RunState::Blocked);
    world.runs().reject(blocked.id, "jim").await.unwrap();
    let error = world
        .runs()
        .approve(blocked.id, "ines", world.hands.now())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("was rejected by jim"), "{error}");
}

#[tokio::test]
async fn people_who_were_never_sent_are_archived_once_the_provider_is_quiet() {
    let world = World::new(r#"{"authoritative": true, "interval": "1m"}"#).await;
    world.hire("p1", "leaver@example.com").await;
    world.send("User", "u1", user("ada@example.com", "1")).await;
    world.look().await;
    assert!(
        world.people().await.iter().all(|person| person.2),
        "not quiet yet"
    );
    world.hands.turn(50);
    world.runs().ask("ines", world.hands.now()).await.unwrap();
    world.look().await;
    let expected = [
        person("ada@example.com", "1", true),
        person("leaver@example.com", "-", false),
    ];
    assert_eq!(world.people().await, expected);
    // Silence is no absence.
    world.hire("p2", "late@example.com").await;
    world.hands.turn(8 * 24 * 60);
    world.look().await;
    assert!(world.people().await[1].2, "{:?}", world.people().await);
    let summary = world.last().await.summary.unwrap();
    assert_eq!(summary.connections["entra"].withheld, 1);
}

#[tokio::test]
async fn source_of_a_tenant_excludes_the_others() {
    for world in [World::new("{}").await, World::in_a_file("{}").await] {
        let admin = world.admin();
        world.send("User", "u1", user("ada@example.com", "1")).await;
        world.look().await;
        let seen = admin.tenant(&world.tenant).await.unwrap();
        let agent = admin
            .change_source(&seen, TenantSource::Agent)
            .await
            .unwrap();
        assert!(
            admin.change_source(&seen, TenantSource::Csv).await.is_err(),
            "another has changed it"
        );
        let entra = admin
            .connection(&world.tenant, &ConnectionId::from("entra"))
            .await
            .unwrap();
        assert!(
            ConnectionSettings::from_json(&entra.settings)
                .unwrap()
                .test_mode
        );
        // Requests are accepted, and not delivered: one row per window.
        for minute in 0..3 {
            world.hands.turn(1);
            world
                .change(
                    "User",
                    "u1",
                    user("ada@example.com", &format!("2.{minute}")),
                )
                .await;
            world.look().await;
        }
        use RunState::{Completed, Skipped, Test};
        assert_eq!(world.states().await, [Completed, Skipped]);
        assert_eq!(
            world.last().await.reason.as_deref(),
            Some("the source of the tenant is agent")
        );
        world.runs().ask("ines", world.hands.now()).await.unwrap();
        world.look().await;
        assert_eq!(world.states().await, [Completed, Skipped, Skipped]);
        assert_eq!(world.people().await[0].1, "1");
        // Back again: in test mode first.
        admin
            .change_source(&agent, TenantSource::Scim)
            .await
            .unwrap();
        world.hands.turn(20);
        world.look().await;
        assert_eq!(world.last().await.state, Test);
        world.hands.turn(20);
        world.configure("{}").await;
        world.look().await;
        assert_eq!(
            (world.last().await.state, &*world.people().await[0].1),
            (Completed, "2.2")
        );
    }
}

#[tokio::test]
async fn revoked_token_is_no_absence() {
    let world = World::new(r#"{"authoritative": true, "interval": "1m"}"#).await;
    world.hire("p1", "leaver@example.com").await;
    for (id, name) in [("u1", "ada@example.com"), ("u2", "babs@example.com")] {
        world.send("User", id, user(name, "1")).await;
    }
    let admin = world.admin();
    let token = admin.tokens(&world.tenant).await.unwrap().remove(0);
    admin.revoke_token(&world.tenant, &token.id).await.unwrap();
    world.hands.turn(50);
    world.look().await;
    assert!(world.people().await.iter().all(|person| person.2));
    let summary = world.last().await.summary.unwrap();
    assert_eq!(
        summary.withheld["entra"].to_string(),
        "the connection has no valid token"
    );
    // Leavers who were sent go all the same.
    world.hands.turn(20);
    world.delete("u1").await;
    world.look().await;
    assert_eq!(
        world.people().await[0],
        person("ada@example.com", "1", false)
    );
}

/// A directory that stops for ever at one of its changes, before or after it is made.
#[derive(Debug)]
struct Stuck {
    calls: Arc<AtomicUsize>,
    inner: StoreDirectory,
    is_before: bool,
    /// The calls for each step.
    seen: Arc<Mutex<Vec<StepId>>>,
    stop_at: usize,
}

impl Directory for Stuck {
    fn apply<'a>(
        &'a self,
        step: &'a StepId,
        change: &'a DirectoryChange,
    ) -> BoxFuture<'a, Result<Option<ResourceId>, DirectoryError>> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            self.seen.lock().unwrap().push(step.clone());
            if call == self.stop_at && self.is_before {
                pending::<()>().await;
            }
            let applied = self.inner.apply(step, change).await;
            if call == self.stop_at {
                pending::<()>().await;
            }
            applied
        })
    }

    fn groups<'a>(
        &'a self,
        after: Option<&'a ResourceId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DirectoryGroup>, DirectoryError>> {
        self.inner.groups(after, limit)
    }

    fn users<'a>(
        &'a self,
        after: Option<&'a ResourceId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DirectoryUser>, DirectoryError>> {
        self.inner.users(after, limit)
    }
}

#[tokio::test]
async fn crash_at_any_step_loses_and_repeats_nothing() {
    let mut crashes = 0;
    for stop_at in 0..20 {
        for is_before in [true, false] {
            let world = World::new("{}").await;
            world.hire("p1", "u0@example.com").await;
            for n in 0..4 {
                world
                    .send(
                        "User",
                        &format!("u{n}"),
                        user(&format!("u{n}@example.com"), "1"),
                    )
                    .await;
            }
            let members = json!([{"value": "u0"}, {"value": "u1"}, {"value": "u2"}]);
            world
                .send(
                    "Group",
                    "g1",
                    json!({"displayName": "Sales", "members": members}),
                )
                .await;
            let calls = Arc::new(AtomicUsize::new(0));
            let seen = Arc::new(Mutex::new(Vec::new()));
            let stuck = Stuck {
                calls: calls.clone(),
                inner: world.directory(),
                is_before,
                seen: seen.clone(),
                stop_at,
            };
            let runner = world.runner(stuck);
            {
                let mut look = pin!(runner.look());
                let ended = poll_fn(|cx| {
                    for _ in 0..10_000 {
                        if look.as_mut().poll(cx).is_ready() {
                            return Poll::Ready(true);
                        }
                        if calls.load(Ordering::SeqCst) > stop_at {
                            return Poll::Ready(false);
                        }
                    }
                    panic!("the run does not go on")
                })
                .await;
                crashes += usize::from(!ended);
            }
            // Another node: not before the lease is over.
            world.look().await;
            world.hands.turn(2);
            world.look().await;
            assert_eq!(world.states().await, [RunState::Completed], "{stop_at}");
            let expected: Vec<_> = (0..4)
                .map(|n| person(&format!("u{n}@example.com"), "1", true))
                .collect();
            assert_eq!(world.people().await, expected, "{stop_at} {is_before}");
            let teams = world.teams().await;
            assert_eq!(teams.len(), 1, "{stop_at} {is_before}");
            assert_eq!(teams[0].1.len(), 3);
            assert_eq!(world.runs().links().await.unwrap().len(), 5);
        }
    }
    assert!((10..40).contains(&crashes), "{crashes}");
}

/// A directory that rejects a name, and can't be used for a while.
#[derive(Debug)]
struct Picky {
    inner: StoreDirectory,
    is_down: bool,
}

impl Directory for Picky {
    fn apply<'a>(
        &'a self,
        step: &'a StepId,
        change: &'a DirectoryChange,
    ) -> BoxFuture<'a, Result<Option<ResourceId>, DirectoryError>> {
        Box::pin(async move {
            if self.is_down {
                return Err(DirectoryError::Unavailable("maintenance".to_owned()));
            }
            if let DirectoryChange::CreateUser(fields) = change
                && fields["email"] == "root@example.com"
            {
                return Err(DirectoryError::Rejected("the name is reserved".to_owned()));
            }
            self.inner.apply(step, change).await
        })
    }

    fn groups<'a>(
        &'a self,
        after: Option<&'a ResourceId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DirectoryGroup>, DirectoryError>> {
        self.inner.groups(after, limit)
    }

    fn users<'a>(
        &'a self,
        after: Option<&'a ResourceId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DirectoryUser>, DirectoryError>> {
        self.inner.users(after, limit)
    }
}

#[tokio::test]
async fn rejected_step_is_reported_and_an_unavailable_directory_fails_the_run() {
    let world = World::new("{}").await;
    world
        .send("User", "u1", user("root@example.com", "1"))
        .await;
    world
        .send("User", "u2", user("babs@example.com", "1"))
        .await;
    let members = json!([{"value": "u1"}, {"value": "u2"}]);
    world
        .send(
            "Group",
            "g1",
            json!({"displayName": "Sales", "members": members}),
        )
        .await;
    let picky = |is_down| Picky {
        inner: world.directory(),
        is_down,
    };
    world.runner(picky(true)).look().await;
    let failed = world.last().await;
    assert_eq!(failed.state, RunState::Failed);
    assert_eq!(
        failed.reason.as_deref(),
        Some("the directory can't be used: maintenance")
    );
    world.runner(picky(false)).look().await;
    assert_eq!(
        world.states().await.len(),
        1,
        "repeated only after the interval"
    );
    world.hands.turn(20);
    world.runner(picky(false)).look().await;
    let run = world.last().await;
    assert_eq!(run.state, RunState::Completed);
    let counts = &run.summary.unwrap().connections["entra"];
    assert_eq!((counts.users.created, counts.users.rejected), (1, 1));
    let steps = world.runs().steps(run.id, 0).await.unwrap();
    let root = steps
        .iter()
        .find(|step| step.name == "root@example.com")
        .unwrap();
    assert_eq!(
        root.reason.as_ref().unwrap().to_string(),
        "the name is reserved"
    );
    assert_eq!(
        world.people().await,
        [person("babs@example.com", "1", true)]
    );
    assert_eq!(world.teams().await[0].1, ["babs@example.com"]);
}

#[tokio::test]
async fn two_runners_never_work_at_the_same_time() {
    let world = World::in_a_file("{}").await;
    for n in 0..30 {
        world
            .send(
                "User",
                &format!("u{n:02}"),
                user(&format!("u{n:02}@example.com"), "1"),
            )
            .await;
    }
    let one = world.runner(world.directory());
    let two = world.runner(world.directory());
    tokio::join!(one.look(), two.look());
    assert_eq!(world.states().await, [RunState::Completed]);
    assert_eq!(world.people().await.len(), 30);
}

//! Tenants out of files and into files, and between a file and memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

use scimkit_sqlite::{Options, Sqlite};
use scimkit_store::{
    Archive, Connection, Deletes, Entry, Memory, Tenancy, Tenant, TenantId, TokenRecord,
    UnknownMembers, archive::Sink,
};
use scimkit_testkit::contract::{
    archive::{self, Whole},
    block_on,
};
use serde_json::json;

use crate::{
    consistent::check_lenient_file,
    support::{create, delete, file, second, select, standard, wait},
};

#[test]
fn files_keep_the_contract() {
    for check in archive::checks() {
        let ((_one, from), (_other, to)) = (file(), file());
        let open = |path| -> Arc<dyn Whole> { Arc::new(Sqlite::open(path).unwrap()) };
        let kept = check.run(open(&from), open(&to), &block_on);
        assert_eq!(kept, Ok(()), "{}", check.name());
        for path in [&from, &to] {
            check_lenient_file(path, &standard());
        }
    }
}

#[test]
fn what_goes_between_memory_and_a_database_stays_the_same() {
    let memory = || -> Arc<dyn Whole> { Arc::new(Memory::new()) };
    let database = || -> Arc<dyn Whole> { Arc::new(Sqlite::in_memory().unwrap()) };
    archive::check(&memory, &database, &block_on).unwrap();
    archive::check(&database, &memory, &block_on).unwrap();
}

#[test]
fn nothing_is_left_of_a_tenant_that_was_erased() {
    let (_directory, path) = file();
    let store = Sqlite::open(&path).unwrap();
    let tenants = [TenantId::from("acme"), TenantId::from("other")];
    for (n, tenant) in (0..).zip(&tenants) {
        let mut scope = standard();
        scope.tenant = tenant.clone();
        let settings = Arc::make_mut(&mut scope.settings);
        settings.deletes = Deletes::Retire;
        settings.unknown_members = UnknownMembers::Accept;
        let entry = Tenant::new(tenant.clone(), "", second(0));
        let connection = Connection::new(tenant.clone(), "crm".into(), "", second(0));
        let token = TokenRecord::new(&connection, "1", [n; 32], second(0));
        let entries = vec![
            Entry::Tenant(entry),
            Entry::Connection(connection),
            Entry::Token(token),
        ];
        wait(store.put(entries)).unwrap();
        // More than one step has.
        let member = |n: usize| json!({"value": format!("m{n}")});
        let members: Vec<_> = (0..5_001).map(member).collect();
        let group = json!({"displayName": "g", "members": members});
        create(&store, &scope, ("Group", "g1"), group).unwrap();
        for id in ["u1", "u2"] {
            create(&store, &scope, ("User", id), json!({"userName": id})).unwrap();
        }
        delete(&store, &scope, ("User", "u2")).unwrap();
    }
    let rows = |tenant: &TenantId| {
        let db = rusqlite::Connection::open(&path).unwrap();
        let sql = "SELECT name FROM sqlite_schema s WHERE type = 'table' AND EXISTS
                   (SELECT 1 FROM pragma_table_info(s.name) WHERE name = 'tenant')";
        let mut statement = db.prepare(sql).unwrap();
        let tables = statement
            .query_map([], |row| row.get::<_, String>(0))
            .unwrap();
        let count = |table: Result<String, _>| {
            let table = table.unwrap();
            let sql = format!("SELECT count(*) FROM {table} WHERE tenant = ?1");
            let count: i64 = db
                .query_row(&sql, [tenant.as_str()], |row| row.get(0))
                .unwrap();
            (table, count)
        };
        tables.map(count).collect::<Vec<_>>()
    };
    let [acme, other] = &tenants;
    let before = rows(other);
    assert_eq!(before.len(), 10);
    assert!(before.iter().all(|(_, count)| *count > 0), "{before:?}");
    wait(store.erase(acme)).unwrap();
    assert!(
        rows(acme).iter().all(|(_, count)| *count == 0),
        "{:?}",
        rows(acme)
    );
    assert_eq!(rows(other), before);
}

#[test]
fn a_server_goes_on_while_a_tenant_goes_out() {
    let (_directory, path) = file();
    let mut options = Options::default();
    options.readers = 1;
    let store = Arc::new(Sqlite::open_with(&path, &options).unwrap());
    let scope = standard();
    for n in 0..20 {
        let id = format!("u{n}");
        create(&store, &scope, ("User", &id), json!({"userName": id})).unwrap();
    }
    // The sink reads and writes itself, in the middle of the dump.
    let (busy, asked) = (Arc::clone(&store), standard());
    let taken = Arc::new(AtomicUsize::new(0));
    let taking = Arc::clone(&taken);
    let sink: Sink = Box::new(move |_| {
        let n = taking.fetch_add(1, Ordering::Relaxed);
        let id = format!("new{n}");
        create(&busy, &asked, ("User", &id), json!({"userName": id})).unwrap();
        let found = select(&busy, &asked, "User", r#"userName sw "new""#).unwrap();
        assert_eq!(found.len(), n + 1);
        Ok(())
    });
    wait(store.dump(&scope.tenant, sink)).unwrap();
    // The tenant and the users that were there.
    assert_eq!(taken.load(Ordering::Relaxed), 21);
}

#[test]
fn a_dump_that_nobody_waits_for_ends() {
    let (_directory, path) = file();
    let store = Sqlite::open(&path).unwrap();
    let scope = standard();
    for n in 0..5 {
        let id = format!("u{n}");
        create(&store, &scope, ("User", &id), json!({"userName": id})).unwrap();
    }
    let (go, gone) = std::sync::mpsc::channel();
    let (tell, told) = std::sync::mpsc::channel();
    let sink: Sink = Box::new(move |_| {
        tell.send(()).unwrap();
        gone.recv().unwrap();
        Ok(())
    });
    let mut dump = store.dump(&scope.tenant, sink);
    let mut context = Context::from_waker(Waker::noop());
    assert!(dump.as_mut().poll(&mut context).is_pending());
    told.recv().unwrap();
    drop(dump);
    go.send(()).unwrap();
    // The sink is dropped instead of being given another record.
    assert!(told.recv().is_err());
}

use super::*;
use crate::store::{AuditQuery, SqliteStore};
use slotway_test_contended_store::ContendedStore;

/// A store, and two control planes on it.
async fn two() -> (tempfile::TempDir, Arc<Agents>, Arc<Agents>) {
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(directory.path(), &crate::kinds::ALL).await.unwrap());
    let one = Arc::new(Agents::open(Arc::clone(&store)).await.unwrap());
    let other = Arc::new(Agents::open(store).await.unwrap());
    (directory, one, other)
}

fn limits(servers_max: u32) -> ServerLimits {
    serde_json::from_value(serde_json::json!({ "servers_max": servers_max, "by_usage": { "training": 1 } }))
        .unwrap()
}

#[tokio::test]
async fn two_control_planes_that_mark_at_once_give_one_place_once() {
    let (_directory, one, other) = two().await;
    let present: BTreeSet<String> = (0..8).map(|number| format!("http://w{number}")).collect();
    let usage: PoolName = "training".parse().unwrap();
    let marks = present.iter().enumerate().map(|(number, worker)| {
        let agents = Arc::clone(if number % 2 == 0 { &one } else { &other });
        let (present, usage, worker) = (present.clone(), usage.clone(), worker.parse::<WorkerUrl>().unwrap());
        tokio::spawn(async move { agents.mark_server(Who::ADMIN_TOKEN, worker, usage, &present).await })
    });
    let mut given = 0;
    for mark in marks.collect::<Vec<_>>() {
        match mark.await.unwrap() {
            Ok(_) => given += 1,
            Err(Error::NoPlace { holders, .. }) => assert_eq!(holders.len(), 1),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(given, 1);
}

#[tokio::test]
async fn what_one_control_plane_tells_agents_the_other_tells_too() {
    let (_directory, one, other) = two().await;
    let follower = Arc::clone(&other);
    let following = tokio::spawn(async move { follower.follow().await });
    let mut told = other.told();
    one.put_server_limits(Who::ADMIN_TOKEN, limits(7)).await.unwrap();
    told.wait_for(|told| told.server_limits == limits(7)).await.unwrap();
    following.abort();
}

#[tokio::test]
async fn who_changed_what_agents_are_told_stands_in_the_audit_rows() {
    let (_directory, one, _) = two().await;
    one.put_server_limits(Who::named("ada"), limits(3)).await.unwrap();
    let query = AuditQuery { limit: 10, ..AuditQuery::newest() };
    let rows = one.store.audit(&query).await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| (row.who.as_str(), row.kind.as_str())).collect();
    assert_eq!(found, [("ada", "server_limits")]);
}

#[tokio::test]
async fn a_change_that_others_win_than_each_time_is_refused_as_busy_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(directory.path(), &crate::kinds::ALL).await.unwrap());
    let contended = ContendedStore::new(Arc::clone(&store));
    let agents = Agents::open(Arc::clone(&contended) as Arc<dyn Store>).await.unwrap();
    agents.put_server_limits(Who::ADMIN_TOKEN, limits(1)).await.unwrap();

    contended.others_win(ATTEMPTS_MAX);
    let refused = agents.put_server_limits(Who::ADMIN_TOKEN, limits(2)).await;
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    assert_eq!(contended.left(), 0, "it was tried as often as it may be");
    assert_eq!(agents.current().server_limits, limits(1));
    assert_eq!(Agents::open(store).await.unwrap().current().server_limits, limits(1), "nothing is stored");

    contended.others_win(ATTEMPTS_MAX - 1);
    agents.put_server_limits(Who::ADMIN_TOKEN, limits(3)).await.unwrap();
    assert_eq!((contended.left(), &agents.current().server_limits), (0, &limits(3)), "once is enough");
}

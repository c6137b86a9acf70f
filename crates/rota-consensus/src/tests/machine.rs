//! The simulated machine: clocks, cores, disks, and processes that die between two steps.

use super::world::runner;
use crate::simulated::{Death, DiskFault, Host, HostContext, SyncTime, block, charge};
use commonware_runtime::{
    Blob as _, Clock as _, ReadOptions, Runner as _, Spawner as _, Storage as _, Supervisor as _, WriteOptions,
    deterministic::Context,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Simulated time that a future takes.
async fn takes<T>(context: &Context, future: impl Future<Output = T>) -> (T, Duration) {
    let start = context.current();
    let result = future.await;
    (result, context.current().duration_since(start).expect("time goes on"))
}

fn about(took: Duration, expected: Duration) -> bool {
    took >= expected && took < expected + ms(1)
}

#[test]
fn computing_keeps_a_core_busy_and_waiting_does_not() {
    runner(1).start(|context| async move {
        let host = Host::new(2, 0);
        let process = host.boot(context.child("process"));
        let three = |work: fn()| [(); 3].map(|()| process.child("task").spawn(move |_| async move { work() }));
        let (_, took) = takes(&context, futures::future::join_all(three(|| charge(ms(10))))).await;
        assert!(about(took, ms(20)), "three tasks of 10 ms on two cores took {took:?}");
        let (_, took) = takes(&context, futures::future::join_all(three(|| block(ms(10))))).await;
        assert!(about(took, ms(10)), "three waits of 10 ms took {took:?}");
        host.set_slowness(300);
        let (_, took) = takes(&context, process.child("task").spawn(|_| async { charge(ms(10)) })).await;
        assert!(about(took, ms(30)), "10 ms at a third of the speed took {took:?}");
        assert_eq!(host.used(), ms(60));
    });
}

#[test]
fn a_clock_may_be_wrong_while_timers_are_right() {
    runner(2).start(|context| async move {
        let host = Host::new(1, 0);
        let process = host.boot(context.child("process"));
        host.set_clock(ms(2_500), Duration::ZERO);
        assert_eq!(process.current(), context.current() + ms(2_500));
        let (_, took) = takes(&context, process.sleep_until(process.current() + ms(100))).await;
        assert!(about(took, ms(100)), "{took:?}");
        host.set_clock(Duration::ZERO, ms(700));
        assert_eq!(process.current(), context.current() - ms(700));
        let (_, took) = takes(&context, process.sleep(ms(100))).await;
        assert!(about(took, ms(100)), "{took:?}");
    });
}

#[test]
fn a_process_dies_between_two_steps_or_by_a_panic() {
    runner(3).start(|context| async move {
        let host = Host::new(1, 0);
        let count = |process: &HostContext| {
            let counter = Arc::new(AtomicU64::new(0));
            let counted = counter.clone();
            process.child("counter").spawn(move |clock| async move {
                loop {
                    counted.fetch_add(1, Ordering::Relaxed);
                    clock.sleep(ms(1)).await;
                }
            });
            counter
        };
        let counter = count(&host.boot(context.child("first")));
        host.die_after(5);
        context.sleep(ms(100)).await;
        assert_eq!(counter.load(Ordering::Relaxed), 5);
        assert_eq!(host.died(), Some(Death::Told));

        let process = host.boot(context.child("second"));
        assert_eq!(host.died(), None);
        let counter = count(&process);
        process.child("fault").spawn(|_| async { panic!("a broken invariant") });
        context.sleep(ms(100)).await;
        assert!(counter.load(Ordering::Relaxed) <= 1, "the whole process is gone");
        assert_eq!(host.died(), Some(Death::Panic("a broken invariant".into())));
    });
}

async fn read(process: &HostContext) -> Vec<u8> {
    let (blob, len) = process.open("partition", b"blob").await.expect("opens");
    let bytes = blob.read_at(0, len as usize, ReadOptions::default()).await.expect("reads");
    bytes.coalesce().as_ref().to_vec()
}

#[test]
fn a_crash_keeps_what_is_synced_and_may_tear_the_rest() {
    let mut left = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let found = runner(seed).start(|context| async move {
            let host = Host::new(1, seed);
            host.disk().set_tearing(seed % 2 == 0);
            let process = host.boot(context.child("first"));
            let (blob, _) = process.open("partition", b"blob").await.expect("opens");
            blob.write_at(0, vec![1; 100], WriteOptions::default()).await.expect("writes");
            blob.sync().await.expect("syncs");
            blob.write_at(100, vec![2; 2_000], WriteOptions::default()).await.expect("writes");
            blob.write_at(0, vec![3; 10], WriteOptions::SYNC).await.expect("writes");
            host.crash();
            assert!(blob.write_at(0, vec![9; 10], WriteOptions::SYNC).await.is_err(), "written by a dead process");
            drop(blob);
            read(&host.boot(context.child("second"))).await
        });
        assert_eq!((&found[..10], &found[10..100]), (&[3; 10][..], &[1; 90][..]), "seed {seed} lost what was synced");
        assert!(seed % 2 == 0 || found.len() == 100, "seed {seed} kept what was not synced");
        left.insert(found.len());
    }
    assert!(left.len() > 4 && left.contains(&100) && left.contains(&2_100), "no variety in {left:?}");
}

#[test]
fn a_disk_takes_time_and_fails_when_told() {
    runner(4).start(|context| async move {
        let host = Host::new(1, 7);
        let process = host.boot(context.child("process"));
        let (blob, _) = process.open("partition", b"blob").await.expect("opens");
        host.disk().set_sync_time(SyncTime::BUSY);
        let mut times = Vec::new();
        for _ in 0..200 {
            blob.write_at(0, vec![1; 10], WriteOptions::default()).await.expect("writes");
            let (result, took) = takes(&context, blob.sync()).await;
            result.expect("syncs");
            times.push(took);
        }
        times.sort();
        assert!((ms(3)..ms(5)).contains(&times[100]), "median {:?}", times[100]);
        assert!((ms(8)..ms(17)).contains(&times[197]), "p99 {:?}", times[197]);
        host.disk().set_fault(Some(DiskFault::Full));
        assert!(blob.write_at(0, vec![2; 10], WriteOptions::default()).await.is_err());
        host.disk().set_fault(Some(DiskFault::Sync));
        blob.write_at(0, vec![2; 10], WriteOptions::default()).await.expect("the cache takes it");
        assert!(blob.sync().await.is_err());
        host.disk().set_fault(None);
        blob.sync().await.expect("it works again");
    });
}

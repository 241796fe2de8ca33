use std::thread;

use super::{fake, host};
use crate::{Access, ErrorKind, Policy, User};

const MIB: usize = 1 << 20;

#[test]
fn a_freed_block_is_reused_at_once_in_its_stream() {
    let (driver, timelines, pool) = fake(usize::MAX, Policy::HOLDALL);
    let mut queue = timelines.register();
    for bytes in [0, 4, 100, 5000, 3 * MIB] {
        let storage = pool.take(bytes, User::Queue(&queue)).unwrap();
        let (block, allocated) = (storage.block(), driver.allocated());
        assert_eq!(storage.bytes(), bytes);
        assert!(storage.capacity() >= bytes);
        let life = queue.bind(&storage, Access::Write).life();
        drop(storage);
        let again = pool.take(bytes, User::Queue(&queue)).unwrap();
        assert_eq!((again.block(), driver.allocated()), (block, allocated));
        assert_eq!(queue.bind(&again, Access::Write).life(), life + 1);
        // The host may not have it: it is being written.
        drop(again);
        assert_ne!(pool.take(bytes, User::Host).unwrap().block(), block);
    }
}

#[test]
fn retained_until_complete_waits_for_the_device() {
    let (_, timelines, pool) = fake(usize::MAX, Policy::RETAINED_UNTIL_COMPLETE);
    let mut queue = timelines.register();
    let storage = pool.take(5000, User::Queue(&queue)).unwrap();
    let block = storage.block();
    queue.bind(&storage, Access::Write);
    drop(storage);
    assert_ne!(pool.take(5000, User::Queue(&queue)).unwrap().block(), block);
    queue.submit().done();
    let both = [pool.take(5000, User::Queue(&queue)).unwrap(), pool.take(5000, User::Queue(&queue)).unwrap()];
    assert!(both.iter().any(|storage| storage.block() == block));
}

#[test]
fn small_blocks_share_allocations_and_do_not_overlap() {
    let (driver, timelines, pool) = fake(usize::MAX, Policy::HOLDALL);
    let mut queue = timelines.register();
    let storages: Vec<_> = (0..1000).map(|_| pool.take(4, User::Queue(&queue)).unwrap()).collect();
    assert!(driver.allocated() < 20, "{} driver calls", driver.allocated());
    let mut places: Vec<_> = storages
        .iter()
        .map(|storage| {
            let bound = queue.bind(storage, Access::Write);
            (bound.handle(), bound.offset())
        })
        .collect();
    places.sort_unstable();
    assert!(places.iter().all(|(_, offset)| offset % 64 == 0));
    places.dedup();
    assert_eq!(places.len(), storages.len());
    assert_eq!(pool.active_bytes(), 64 * 1000);
    drop(storages);
    assert_eq!(pool.active_bytes(), 0);
    assert_eq!(pool.cached_bytes(), driver.live_bytes());
    queue.submit().done();
    pool.clear_cache();
    assert_eq!((pool.cached_bytes(), pool.retired_bytes(), driver.live_bytes()), (0, 0, 0));
}

#[test]
fn large_blocks_are_matched_best_and_waste_less_than_a_quarter() {
    let (driver, timelines, pool) = fake(usize::MAX, Policy::HOLDALL);
    let queue = timelines.register();
    let take = |bytes| pool.take(bytes, User::Queue(&queue)).unwrap();
    let (big, mid) = (take(12 * MIB), take(11 * MIB));
    let (big_id, mid_id) = (big.block(), mid.block());
    drop((big, mid));
    assert_eq!(take(10 * MIB).block(), mid_id);
    assert_eq!(take(12 * MIB - 5).block(), big_id);
    let allocated = driver.allocated();
    let other = take(8 * MIB);
    assert_eq!(driver.allocated(), allocated + 1);
    assert_eq!(other.capacity(), 8 * MIB);
}

#[test]
fn figures_and_limits() {
    let (driver, timelines, pool) = fake(64 * MIB, Policy::HOLDALL);
    let mut queue = timelines.register();
    let (a, b) = (pool.take(8 * MIB, User::Host).unwrap(), pool.take(4 * MIB, User::Host).unwrap());
    assert_eq!(pool.active_bytes(), 12 * MIB);
    queue.bind(&a, Access::Read);
    drop((a, b));
    assert_eq!((pool.active_bytes(), pool.peak_bytes(), pool.cached_bytes()), (0, 12 * MIB, 12 * MIB));
    pool.reset_peak();
    assert_eq!(pool.peak_bytes(), 0);
    // The older block goes first, but the device may still read it.
    assert_eq!(pool.set_cache_limit(4 * MIB), 1 << 30);
    assert_eq!((pool.cached_bytes(), pool.retired_bytes()), (4 * MIB, 8 * MIB));
    assert!(driver.released().is_empty());
    queue.submit().done();
    pool.poll();
    assert_eq!((pool.cached_bytes(), pool.retired_bytes(), driver.live_bytes()), (4 * MIB, 0, 4 * MIB));
    drop(pool.take(16 * MIB, User::Host).unwrap());
    assert!(pool.cached_bytes() <= 4 * MIB);
    pool.trim(0);
    assert_eq!(driver.live_bytes(), 0);
    assert_eq!(pool.set_memory_limit(MIB), usize::MAX);
    assert_eq!((pool.memory_limit(), pool.cache_limit()), (MIB, 4 * MIB));
    let error = pool.take(2 * MIB, User::Host).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    drop(pool.take(MIB, User::Host).unwrap());
}

#[test]
fn out_of_memory_says_what_the_memory_is_used_for() {
    let (_, _, pool) = fake(8 * MIB, Policy::HOLDALL);
    let _a = pool.take(6 * MIB, User::Host).unwrap();
    drop(pool.take(MIB, User::Host).unwrap());
    let error = pool.take(3 * MIB, User::Host).unwrap_err();
    assert_eq!(
        error.to_string(),
        "out of memory: wanted 3.0 MiB; active 6.0 MiB, cached 0 bytes (largest free block 0 bytes), waiting for the \
         device 0 bytes, memory limit none"
    );
    for absurd in [usize::MAX, usize::MAX - 5000, isize::MAX as usize] {
        assert_eq!(pool.take(absurd, User::Host).unwrap_err().kind(), ErrorKind::OutOfMemory);
    }
}

#[test]
fn the_driver_is_asked_only_after_the_cache_was_emptied() {
    let (driver, _, pool) = fake(8 * MIB, Policy::HOLDALL);
    drop([pool.take(3 * MIB, User::Host).unwrap(), pool.take(4 * MIB, User::Host).unwrap()]);
    let all = pool.take(8 * MIB, User::Host).unwrap();
    assert_eq!(driver.released().len(), 2);
    assert_eq!(all.capacity(), 8 * MIB);
}

#[test]
fn a_full_device_is_waited_for() {
    let (_, timelines, pool) = fake(8 * MIB, Policy::HOLDALL);
    let mut queue = timelines.register();
    let other = timelines.register();
    let storage = pool.take(6 * MIB, User::Queue(&queue)).unwrap();
    queue.bind(&storage, Access::Write);
    drop(storage);
    // Not submitted: nobody could end it, so waiting would never end.
    assert!(pool.take(7 * MIB, User::Queue(&other)).is_err());
    let completion = queue.submit();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(std::time::Duration::from_millis(20));
            completion.done();
        });
        assert_eq!(pool.take(7 * MIB, User::Queue(&other)).unwrap().capacity(), 7 * MIB);
    });
}

#[test]
fn a_lost_device_makes_an_error_and_no_hang() {
    let (driver, timelines, pool) = fake(8 * MIB, Policy::HOLDALL);
    let mut queue = timelines.register();
    let storage = pool.take(6 * MIB, User::Queue(&queue)).unwrap();
    queue.bind(&storage, Access::Write);
    queue.submit().lose("gone");
    assert!(storage.wait_written().is_err());
    assert!(storage.wait_idle().is_err());
    assert!(!storage.is_idle());
    drop(storage);
    assert!(pool.take(7 * MIB, User::Host).is_err());
    assert!(driver.released().is_empty());
    timelines.mark_idle(queue.id());
    pool.take(7 * MIB, User::Host).unwrap();
}

#[test]
fn a_failed_tick_of_an_earlier_owner_is_not_reported() {
    let (timelines, pool) = host();
    let mut queue = timelines.register();
    let storage = pool.take(5000, User::Queue(&queue)).unwrap();
    let block = storage.block();
    queue.bind(&storage, Access::Write);
    queue.submit().fail("bad kernel");
    assert!(storage.with_host(|_| ()).is_err());
    drop(storage);
    let mut storage = pool.take(5000, User::Host).unwrap();
    assert_eq!(storage.block(), block);
    storage.with_host_mut(|bytes| bytes.fill(3)).unwrap();
    storage.with_host(|bytes| assert_eq!((bytes.len(), bytes[4999]), (5000, 3))).unwrap();
}

#[test]
fn blocks_are_freed_and_taken_from_any_thread() {
    let (timelines, pool) = host();
    thread::scope(|scope| {
        for seed in 0..4_usize {
            let (timelines, pool) = (&timelines, &pool);
            scope.spawn(move || {
                let mut queue = timelines.register();
                let mut held = Vec::new();
                for at in 0..2000_usize {
                    let bytes = (at * 7919 + seed * 104_729) % 20_000;
                    let mut storage = pool.take(bytes, User::Host).unwrap();
                    storage.with_host_mut(|all| all.fill(seed as u8)).unwrap();
                    let _ = queue.bind(&storage, Access::Read);
                    held.push(storage);
                    if at % 3 == 0 {
                        let freed = held.swap_remove(at % held.len());
                        freed.with_host(|all| assert!(all.iter().all(|&byte| byte == seed as u8))).unwrap();
                        thread::scope(|inner| {
                            if at % 300 == 0 {
                                inner.spawn(move || drop(freed));
                            }
                        });
                    }
                    if at % 50 == 0 {
                        queue.submit().done();
                    }
                }
            });
        }
    });
    pool.clear_cache();
    assert_eq!((pool.active_bytes(), pool.cached_bytes(), pool.retired_bytes()), (0, 0, 0));
}

#[test]
fn a_dropped_pool_releases_everything_the_device_has_finished_with() {
    let (driver, timelines, pool) = fake(usize::MAX, Policy::HOLDALL);
    let mut queue = timelines.register();
    let storages = [pool.take(4, User::Host).unwrap(), pool.take(MIB, User::Host).unwrap()];
    for storage in &storages {
        queue.bind(storage, Access::Read);
    }
    drop((storages, pool.take(MIB, User::Host).unwrap(), pool));
    assert_eq!(driver.released().len(), 1);
    queue.submit().done();
    timelines.collect();
    assert_eq!(driver.live_bytes(), 0);
}

#[test]
fn the_driver_hears_of_frees_and_reuse() {
    let (driver, _, pool) = fake(usize::MAX, Policy::HOLDALL);
    let storage = pool.take(100, User::Host).unwrap();
    let id = storage.block();
    drop(storage);
    drop(pool.take(100, User::Host).unwrap());
    let state = driver.state.lock().unwrap();
    let lives: Vec<_> = state.reused.iter().map(|info| (info.id, info.life, info.bytes)).collect();
    assert_eq!(lives, [(id, 1, 128), (id, 2, 128)]);
    assert_eq!(state.freed.iter().map(|info| info.life).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn blocks_that_are_given_out_again_are_counted() {
    let (_, timelines, pool) = fake(usize::MAX, Policy::HOLDALL);
    let queue = timelines.register();
    for (round, bytes) in [64, 5000, 3 * MIB].into_iter().enumerate() {
        drop(pool.take(bytes, User::Queue(&queue)).unwrap());
        assert_eq!(pool.reused_blocks(), round as u64, "a new block of {bytes} bytes");
        drop(pool.take(bytes, User::Queue(&queue)).unwrap());
        assert_eq!(pool.reused_blocks(), round as u64 + 1);
    }
}

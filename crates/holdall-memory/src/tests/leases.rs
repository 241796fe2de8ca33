use std::sync::atomic::{AtomicUsize, Ordering};

use super::host;
use crate::sync::Arc;
use crate::{Access, ErrorKind, Storage, User};

#[test]
fn a_lent_block_is_neither_donated_nor_reused() {
    let (timelines, pool) = host();
    let mut queue = timelines.register();
    let mut storage = pool.take(5000, User::Host).unwrap();
    storage.with_host_mut(|bytes| bytes.fill(9)).unwrap();
    let storage = Arc::new(storage);
    assert!(queue.may_reuse(&storage));
    // SAFETY: the pointer is read below only, while the lease is open.
    let lease = unsafe { storage.lease() }.unwrap();
    assert!(!queue.may_reuse(&storage));
    let block = storage.block();
    drop(storage);
    assert_ne!(pool.take(5000, User::Host).unwrap().block(), block);
    // SAFETY: the lease is open and nobody writes.
    assert_eq!((unsafe { *lease.address() }, lease.bytes()), (9, 5000));
    let storage = lease.storage().clone();
    // SAFETY: the pointer is not used.
    let second = unsafe { storage.lease() }.unwrap();
    drop(lease);
    assert!(!queue.may_reuse(&storage));
    // Foreign work runs on until the tick ends.
    second.close_after(&mut queue);
    assert!(queue.may_reuse(&storage));
    assert!(!storage.is_idle());
    assert!(!timelines.register().may_reuse(&storage));
    queue.submit().done();
    assert!(storage.is_idle());
}

#[test]
fn host_reads_forbid_writes_in_place() {
    let (timelines, pool) = host();
    let queue = timelines.register();
    let storage = pool.take(16, User::Host).unwrap();
    storage.with_host(|_| assert!(!queue.may_reuse(&storage))).unwrap();
    assert!(queue.may_reuse(&storage));
}

#[test]
fn foreign_memory_is_given_back_when_the_device_has_finished() {
    static MEMORY: [u8; 100] = [5; 100];
    let (timelines, pool) = host();
    let mut queue = timelines.register();
    let released = Arc::new(AtomicUsize::new(0));
    let count = released.clone();
    let release = Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    // SAFETY: the memory is static and constant.
    let mut storage = unsafe { Storage::foreign(&pool, MEMORY.as_ptr(), 100, release) };
    assert!(storage.is_foreign() && !queue.may_reuse(&storage));
    assert_eq!(pool.active_bytes(), 0);
    assert_eq!(storage.with_host_mut(|_| ()).unwrap_err().kind(), ErrorKind::Leased);
    storage.with_host(|bytes| assert_eq!(bytes, MEMORY)).unwrap();
    queue.bind(&storage, Access::Read);
    drop(storage);
    assert_eq!(released.load(Ordering::Relaxed), 0);
    queue.submit().done();
    timelines.collect();
    assert_eq!(released.load(Ordering::Relaxed), 1);
}

#[test]
fn device_memory_is_not_for_the_host() {
    let (_, _, pool) = super::fake(usize::MAX, crate::Policy::HOLDALL);
    let mut storage = pool.take(8, User::Host).unwrap();
    assert_eq!(storage.with_host(|_| ()).unwrap_err().kind(), ErrorKind::NotHostAddressable);
    assert_eq!(storage.with_host_mut(|_| ()).unwrap_err().kind(), ErrorKind::NotHostAddressable);
}

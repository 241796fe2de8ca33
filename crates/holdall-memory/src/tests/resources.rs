use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sync::Arc;
use crate::{Resource, ResourceCache, Timelines};

/// Counts its destructions.
struct Kernel(Arc<AtomicUsize>);

impl Drop for Kernel {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_resource_outlives_the_command_buffers_that_name_it() {
    let timelines = Timelines::new();
    let mut queue = timelines.register();
    let destroyed = Arc::new(AtomicUsize::new(0));
    let resource = Resource::new(&timelines, Kernel(destroyed.clone()));
    queue.bind_resource(&resource);
    assert!(!resource.is_idle());
    drop(resource);
    let completion = queue.submit();
    timelines.collect();
    assert_eq!((timelines.retired(), destroyed.load(Ordering::Relaxed)), (1, 0));
    completion.done();
    // The next submit collects.
    queue.submit().done();
    assert_eq!((timelines.retired(), destroyed.load(Ordering::Relaxed)), (0, 1));
    drop(Resource::new(&timelines, Kernel(destroyed.clone())));
    assert_eq!(destroyed.load(Ordering::Relaxed), 2);
}

#[test]
fn the_cache_is_bounded_and_keyed_by_the_whole_key() {
    let timelines = Timelines::new();
    let destroyed = Arc::new(AtomicUsize::new(0));
    let cache = ResourceCache::new(timelines.clone(), 2);
    assert!(cache.is_empty());
    let make = || Ok::<_, String>(Kernel(destroyed.clone()));
    let a = cache.get_or_try_insert(&"a", make).unwrap();
    let again = cache.get_or_try_insert(&"a", || Err("made twice".to_owned())).unwrap();
    assert!(Arc::ptr_eq(&a, &again));
    drop(again);
    drop(cache.get_or_try_insert(&"b", make).unwrap());
    // "a" was used more recently.
    assert!(cache.get(&"a").is_some());
    drop(cache.get_or_try_insert(&"c", make).unwrap());
    assert_eq!((cache.len(), destroyed.load(Ordering::Relaxed)), (2, 1));
    assert!(cache.get(&"b").is_none());
    assert_eq!(cache.get_or_try_insert(&"d", || Err("no compiler".to_owned())).err().unwrap(), "no compiler");
    assert_eq!(cache.len(), 2);
    cache.clear();
    assert_eq!(destroyed.load(Ordering::Relaxed), 2);
    drop(a);
    assert_eq!(destroyed.load(Ordering::Relaxed), 3);
}

#[test]
fn what_waits_for_a_lost_device_is_never_destroyed() {
    let timelines = Timelines::new();
    let mut queue = timelines.register();
    let destroyed = Arc::new(AtomicUsize::new(0));
    let resource = Resource::new(&timelines, Kernel(destroyed.clone()));
    queue.bind_resource(&resource);
    queue.submit().lose("gone");
    drop((resource, queue, timelines));
    assert_eq!(destroyed.load(Ordering::Relaxed), 0);
}

//! Rule 6: kernels.

use super::*;
use crate::{ResourceCache, sync};

/// A kernel: it lies in a cell of the device, and its destruction ends that cell.
#[derive(Debug)]
struct Kernel {
    cells: Arc<Cells>,
    at: u64,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        // SAFETY: the model checks that nobody uses the kernel any more.
        unsafe {
            self.cells.release(RawBlock { address: std::ptr::null_mut(), bytes: 0, handle: self.at });
        }
    }
}

/// A kernel is evicted from the cache while the command buffer that runs it is being recorded.
fn eviction_with_an_uncommitted_command_buffer(policy: Policy) {
    explore(move || {
        let world = World::new(2, policy);
        let cache = ResourceCache::simulated(&*world.cells, world.timelines.clone(), 1, policy);
        let mut queue = world.timelines.register();
        let kernel = |at| {
            let cells = world.cells.clone();
            move || Ok::<_, ()>(Kernel { cells, at })
        };
        let first = cache.get_or_try_insert(&"kernel void f() { first }", kernel(0)).unwrap();
        queue.bind_resource(&first);
        drop(first);
        drop(cache.get_or_try_insert(&"kernel void f() { second }", kernel(1)).unwrap());
        let completion = queue.submit();
        let cells = world.cells.clone();
        let device = thread::spawn(move || {
            assert_eq!(cells.read(0), 0);
            completion.done();
        });
        world.timelines.collect();
        device.join().unwrap();
        world.timelines.collect();
        assert!(!world.cells.is_live(0), "never destroyed");
        assert!(world.cells.is_live(1));
        assert_eq!(cache.len(), 1);
    });
}

#[test]
fn rule_6_eviction_with_an_uncommitted_command_buffer() {
    eviction_with_an_uncommitted_command_buffer(Policy::HOLDALL);
}

#[test]
#[should_panic(expected = "released memory")]
fn rule_6_mutation_without_resource_retirement() {
    eviction_with_an_uncommitted_command_buffer(Policy::WITHOUT_RESOURCE_RETIREMENT);
}

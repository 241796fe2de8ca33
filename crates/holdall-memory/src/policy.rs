//! How long memory is kept: Holdall's rules, and the wrong ones that a simulated device can ask for.

/// A retention policy of a pool and its scheduler.
///
/// Every pool over a real device follows [`Policy::HOLDALL`]. Others exist to compare with, and to prove that the
/// checkers notice when a rule is missing: only [`Pool::simulated`](crate::Pool::simulated) takes one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    pub(crate) name: &'static str,
    pub(crate) waits: bool,
    pub(crate) stamps: bool,
    pub(crate) free_through_pool: bool,
    pub(crate) reuse_checked: bool,
    pub(crate) reuse_in_stream: bool,
    pub(crate) host_checked: bool,
    pub(crate) release_checked: bool,
    pub(crate) resources_retired: bool,
    pub(crate) hazards_by_block: bool,
    pub(crate) failed_keeps: bool,
    pub(crate) leases_honoured: bool,
    pub(crate) evaluate_each: bool,
}

impl Policy {
    /// All nine rules.
    pub const HOLDALL: Self = Self {
        name: "holdall",
        waits: true,
        stamps: true,
        free_through_pool: true,
        reuse_checked: true,
        reuse_in_stream: true,
        host_checked: true,
        release_checked: true,
        resources_retired: true,
        hazards_by_block: true,
        failed_keeps: true,
        leases_honoured: true,
        evaluate_each: false,
    };

    /// Nothing is kept for the device: a block is free as soon as its last owner is gone.
    pub const UNRETAINED: Self = Self {
        name: "unretained",
        stamps: false,
        reuse_checked: false,
        release_checked: false,
        resources_retired: false,
        ..Self::HOLDALL
    };

    /// A block is kept until the host has seen the end of every command buffer that names it, and is not reused
    /// before, not even in the same stream. Safe, and what it costs is memory.
    pub const RETAINED_UNTIL_COMPLETE: Self =
        Self { name: "retained until complete", reuse_in_stream: false, ..Self::HOLDALL };

    /// [`Self::UNRETAINED`], for programs that evaluate each custom kernel and wait: the usual workaround.
    pub const EVALUATE_EACH: Self = Self { name: "evaluate each", evaluate_each: true, ..Self::UNRETAINED };

    /// Rule 1 off: the scheduler records no waits between streams.
    pub const WITHOUT_WAITS: Self = Self { name: "without rule 1 (waits)", waits: false, ..Self::HOLDALL };
    /// Rule 2 off: a bind leaves no stamp.
    pub const WITHOUT_STAMPS: Self = Self { name: "without rule 2 (stamps)", stamps: false, ..Self::HOLDALL };
    /// Rule 3 off: dropping a storage calls the driver.
    pub const WITHOUT_POOLED_FREE: Self =
        Self { name: "without rule 3 (free through the pool)", free_through_pool: false, ..Self::HOLDALL };
    /// Rule 4 off for streams: any cached block is taken, whatever its stamps.
    pub const WITHOUT_REUSE_CHECK: Self =
        Self { name: "without rule 4 (reuse)", reuse_checked: false, ..Self::HOLDALL };
    /// Rule 4 off for the host: it reads and writes without waiting.
    pub const WITHOUT_HOST_CHECK: Self =
        Self { name: "without rule 4 (host access)", host_checked: false, ..Self::HOLDALL };
    /// Rule 5 off: trim releases blocks that are still in flight.
    pub const WITHOUT_RELEASE_CHECK: Self =
        Self { name: "without rule 5 (release)", release_checked: false, ..Self::HOLDALL };
    /// Rule 6 off: an evicted kernel is destroyed at once.
    pub const WITHOUT_RESOURCE_RETIREMENT: Self =
        Self { name: "without rule 6 (resources)", resources_retired: false, ..Self::HOLDALL };
    /// Rule 7 off: a reused block gets a new name, so hazards are tracked by array.
    pub const WITHOUT_BLOCK_HAZARDS: Self =
        Self { name: "without rule 7 (hazards by block)", hazards_by_block: false, ..Self::HOLDALL };
    /// Rule 8 off: a failed command buffer counts as finished.
    pub const WITHOUT_FAILED_RETENTION: Self =
        Self { name: "without rule 8 (failed ticks)", failed_keeps: false, ..Self::HOLDALL };
    /// Rule 9 off: a foreign lease does not hold its block.
    pub const WITHOUT_LEASES: Self =
        Self { name: "without rule 9 (leases)", leases_honoured: false, ..Self::HOLDALL };

    /// The policies that lack one rule. Each must be caught by a checker.
    pub const MUTATIONS: [Self; 10] = [
        Self::WITHOUT_WAITS,
        Self::WITHOUT_STAMPS,
        Self::WITHOUT_POOLED_FREE,
        Self::WITHOUT_REUSE_CHECK,
        Self::WITHOUT_HOST_CHECK,
        Self::WITHOUT_RELEASE_CHECK,
        Self::WITHOUT_RESOURCE_RETIREMENT,
        Self::WITHOUT_BLOCK_HAZARDS,
        Self::WITHOUT_FAILED_RETENTION,
        Self::WITHOUT_LEASES,
    ];

    /// The name, for messages and options.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// True when the scheduler has to record a wait where a stream needs what another one writes.
    pub const fn records_waits(&self) -> bool {
        self.waits
    }

    /// True when the host waits for the device before it reads or writes a block.
    pub const fn checks_host(&self) -> bool {
        self.host_checked
    }

    /// True when programs have to evaluate each custom kernel and wait for it.
    pub const fn evaluate_each_custom_kernel(&self) -> bool {
        self.evaluate_each
    }

    /// True when the scheduler has to track hazards by block; false (a mutation) asks it to track them by array.
    pub const fn hazards_by_block(&self) -> bool {
        self.hazards_by_block
    }

    /// True when evicted kernels wait for the command buffers that name them.
    pub const fn retires_resources(&self) -> bool {
        self.resources_retired
    }
}

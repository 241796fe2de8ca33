//! The process-wide state: devices, timelines and the scheduler.

use std::sync::{Arc, OnceLock};

use holdall_memory::Timelines;
use parking_lot::{Mutex, RwLock};

use crate::device::{BackendEntry, Device, DeviceId};
use crate::error::{Error, ErrorKind, Result};
use crate::eval::Scheduler;
use crate::ops::{KernelObserver, KernelObserverEntry};
use crate::stream::{Stream, StreamId};

/// A device and its default stream, once it has one.
type Opened = (Arc<dyn Device>, Option<StreamId>);

pub(crate) struct Runtime {
    timelines: Arc<Timelines>,
    devices: RwLock<Vec<Opened>>,
    /// The device of each stream, readable without the scheduler.
    streams: RwLock<Vec<DeviceId>>,
    pub scheduler: Mutex<Scheduler>,
    /// Who wants to see calls of custom kernels.
    pub observers: Vec<Box<dyn KernelObserver>>,
}

impl Runtime {
    /// The runtime, with every device that the linked backends find.
    pub fn get() -> Result<&'static Self> {
        static RUNTIME: OnceLock<Result<Runtime>> = OnceLock::new();
        RUNTIME.get_or_init(Self::start).as_ref().map_err(Error::again)
    }

    fn start() -> Result<Self> {
        let runtime = Self {
            timelines: Timelines::new(),
            devices: RwLock::default(),
            streams: RwLock::default(),
            scheduler: Mutex::default(),
            observers: inventory::iter::<KernelObserverEntry>
                .into_iter()
                .filter_map(|entry| (entry.observer)().transpose())
                .collect::<Result<_>>()?,
        };
        let mut entries: Vec<&BackendEntry> = inventory::iter::<BackendEntry>.into_iter().collect();
        entries.sort_by_key(|e| -e.rank);
        let mut failure = None;
        for entry in entries {
            match (entry.backend)().devices(&runtime.timelines) {
                Ok(devices) => devices.into_iter().for_each(|d| {
                    runtime.add_device(d);
                }),
                Err(e) => failure = Some(e),
            }
        }
        if runtime.devices.read().is_empty() {
            return Err(failure.unwrap_or_else(|| {
                Error::new(ErrorKind::Device, "device", "this program was linked without any backend")
            }));
        }
        // Stream 0 is the default device's, whoever asks first.
        runtime.default_stream(DeviceId::DEFAULT)?;
        Ok(runtime)
    }

    pub fn timelines(&self) -> &Arc<Timelines> {
        &self.timelines
    }

    pub fn devices(&self) -> Vec<Arc<dyn Device>> {
        self.devices.read().iter().map(|d| d.0.clone()).collect()
    }

    pub fn add_device(&self, device: Arc<dyn Device>) -> DeviceId {
        let mut devices = self.devices.write();
        devices.push((device, None));
        DeviceId((devices.len() - 1) as u16)
    }

    pub fn device(&self, id: DeviceId) -> Result<Arc<dyn Device>> {
        let devices = self.devices.read();
        devices.get(usize::from(id.0)).map(|d| d.0.clone()).ok_or_else(|| {
            Error::new(
                ErrorKind::Device,
                "device",
                format!("no device {}; there are {}", id.0, devices.len()),
            )
        })
    }

    pub fn device_of(&self, stream: StreamId) -> Result<(DeviceId, Arc<dyn Device>)> {
        let id = self.streams.read()[stream.0 as usize];
        Ok((id, self.device(id)?))
    }

    pub fn new_stream(&self, id: DeviceId) -> Result<Stream> {
        let device = self.device(id)?;
        let made = device.stream()?;
        let mut streams = self.streams.write();
        self.scheduler.lock().add_stream(id, device, made, self.timelines.register());
        streams.push(id);
        Ok(Stream { id: StreamId(streams.len() as u32 - 1), device: id })
    }

    pub fn default_stream(&self, id: DeviceId) -> Result<Stream> {
        self.device(id)?;
        if let Some(stream) = self.devices.read()[usize::from(id.0)].1 {
            return Ok(Stream { id: stream, device: id });
        }
        let stream = self.new_stream(id)?;
        let slot = &mut self.devices.write()[usize::from(id.0)].1;
        Ok(Stream { id: *slot.get_or_insert(stream.id), device: id })
    }

    pub fn synchronize(&self, stream: StreamId) -> Result<()> {
        let (queue, tick) = self.scheduler.lock().flush(stream)?;
        self.wait(queue, tick)
    }

    pub fn wait(&self, queue: holdall_memory::QueueId, tick: holdall_memory::Tick) -> Result<()> {
        self.timelines.wait(queue, tick).map_err(|e| Error::new(ErrorKind::Device, "eval", e.to_string()))
    }
}

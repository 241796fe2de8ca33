//! The process-wide state: devices, timelines and the scheduler.

use std::sync::{Arc, OnceLock};

use holdall_memory::Timelines;
use parking_lot::{Mutex, RwLock};

use crate::device::{BackendEntry, Device, DeviceId};
use crate::error::{Error, ErrorKind, Result};
use crate::eval::Scheduler;
use crate::ops::{KernelObserver, KernelObserverEntry};
use crate::settings;
use crate::stream::{self, Stream, StreamId};
use crate::validation;

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
        if settings::validate()? {
            validation::enable();
        }
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
        runtime.choose_default()?;
        // Stream 0 is the default device's, whoever asks first.
        runtime.default_stream(DeviceId::DEFAULT)?;
        if let Some(id) = runtime.device_of_doubles() {
            // Now, since it may be asked for while the scheduler is locked.
            runtime.default_stream(id)?;
        }
        Ok(runtime)
    }

    /// Puts the device that the settings name first.
    fn choose_default(&self) -> Result<()> {
        let Some(name) = settings::device()? else { return Ok(()) };
        let mut devices = self.devices.write();
        let found = find(devices.iter().map(|(device, _)| &**device), &name)?;
        devices[..=found].rotate_right(1);
        Ok(())
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

    /// Where an op of float64 runs: on the current stream, if its device computes in float64, else on the first device that
    /// does, if there is one.
    pub fn stream_of_doubles() -> StreamId {
        let current = stream::current();
        let other = || {
            let runtime = Self::get().ok()?;
            if runtime.device_of(current).ok()?.1.info().has_float64 {
                return None;
            }
            Some(runtime.default_stream(runtime.device_of_doubles()?).ok()?.id)
        };
        other().unwrap_or(current)
    }

    fn device_of_doubles(&self) -> Option<DeviceId> {
        let found = self.devices.read().iter().position(|(device, _)| device.info().has_float64)?;
        Some(DeviceId(found as u16))
    }

    pub fn synchronize(&self, stream: StreamId) -> Result<()> {
        let (queue, tick) = self.scheduler.lock().flush(stream)?;
        self.wait(queue, tick)
    }

    pub fn wait(&self, queue: holdall_memory::QueueId, tick: holdall_memory::Tick) -> Result<()> {
        self.timelines.wait(queue, tick).map_err(|e| Error::new(ErrorKind::Device, "eval", e.to_string()))
    }
}

/// The place of the device called `name` (`cpu`, `cuda:1`; an index of 0 may be left out).
pub(crate) fn find<'a>(devices: impl Iterator<Item = &'a dyn Device> + Clone, name: &str) -> Result<usize> {
    let plain = |name: &'a str| name.strip_suffix(":0").unwrap_or(name);
    let wanted = name.strip_suffix(":0").unwrap_or(name);
    devices.clone().position(|d| plain(&d.info().name) == wanted).ok_or_else(|| {
        let names: Vec<&str> = devices.map(|d| d.info().name.as_str()).collect();
        let message = format!("no device {name:?}; there are: {}", names.join(", "));
        Error::new(ErrorKind::Device, "device", message)
    })
}

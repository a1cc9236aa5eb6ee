//! Pictures made smaller: I420 in, I420 out, a plane at a time.
//!
//! By our own code, so that each rung is made of the next larger one without another copy of the picture.

use gstreamer::prelude::*;
use gstreamer::{self as gst, glib};
use gstreamer_video::prelude::*;
use gstreamer_video::{VideoFormat, VideoFrameRef, VideoInfo};
use scale::PlaneScaler;

/// Makes pictures of one size.
pub(super) struct Scaler {
    planes: Vec<PlaneScaler>,
    from: VideoInfo,
    info: VideoInfo,
    pool: gst::BufferPool,
}

impl Scaler {
    /// Of pictures like `from`, which also lends what is not size: colours and the place of chroma. `rate` is told to the
    /// encoder; 0/1 is unknown.
    pub(super) fn new(
        from: &VideoInfo,
        (width, height): (u32, u32),
        rate: gst::Fraction,
    ) -> Result<Self, glib::BoolError> {
        let info = VideoInfo::builder(VideoFormat::I420, width, height)
            .fps(rate)
            .colorimetry(&from.colorimetry())
            .chroma_site(from.chroma_site())
            .build()?;
        let pool = gst::BufferPool::new();
        let mut config = pool.config();
        let size = u32::try_from(info.size()).map_err(|_| glib::bool_error!("a picture of {} bytes", info.size()))?;
        config.set_params(Some(&info.to_caps()?), size, 0, 0);
        pool.set_config(config)?;
        pool.set_active(true)?;
        // In I420 planes and components have the same numbers.
        let size = |info: &VideoInfo, plane| (info.comp_width(plane) as usize, info.comp_height(plane) as usize);
        let planes = (0..3).map(|plane| PlaneScaler::new(size(from, plane), size(&info, plane)));
        let planes = planes.collect::<Option<_>>().ok_or_else(|| glib::bool_error!("pictures without pixels"))?;
        Ok(Self { planes, from: from.clone(), info, pool })
    }

    /// Whether it scales pictures like these.
    pub(super) fn is_for(&self, from: &VideoInfo) -> bool {
        self.from == *from
    }

    pub(super) fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// A smaller copy of `picture`, without its times.
    pub(super) fn scale(&mut self, picture: &gst::BufferRef) -> Result<gst::Buffer, glib::BoolError> {
        let mut scaled =
            self.pool.acquire_buffer(None).map_err(|error| glib::bool_error!("no room for a picture: {error}"))?;
        let target = scaled.get_mut().ok_or_else(|| glib::bool_error!("a picture of the pool is in use"))?;
        let from = VideoFrameRef::from_buffer_ref_readable(picture, &self.from)?;
        let mut to = VideoFrameRef::from_buffer_ref_writable(target, &self.info)?;
        for (number, scaler) in (0..).zip(&mut self.planes) {
            let (from_stride, to_stride) = (stride(&from, number)?, stride(&to, number)?);
            let (read, write) = (from.plane_data(number)?, to.plane_data_mut(number)?);
            let scaled = scaler.scale((read, from_stride), (write, to_stride));
            scaled.map_err(|error| glib::bool_error!("{error}"))?;
        }
        drop(to);
        Ok(scaled)
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        let _ = self.pool.set_active(false);
    }
}

/// Bytes from one row of a plane to the next.
fn stride<T>(frame: &VideoFrameRef<T>, plane: u32) -> Result<usize, glib::BoolError>
where
    VideoFrameRef<T>: VideoFrameExt,
{
    let stride = frame.plane_stride().get(plane as usize).and_then(|stride| usize::try_from(*stride).ok());
    stride.ok_or_else(|| glib::bool_error!("a picture stored upside down"))
}

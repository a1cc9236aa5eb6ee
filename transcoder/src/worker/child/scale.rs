//! Pictures made smaller: I420 in, I420 out, a plane at a time.
//!
//! By our own code, so that each rung is made of the next larger one without another copy of the picture.

use gstreamer::prelude::*;
use gstreamer::{self as gst, glib};
use gstreamer_video::prelude::*;
use gstreamer_video::{VideoFormat, VideoFrameRef, VideoInfo};
use scale::Shape;

/// Makes pictures of one size.
pub(super) struct Scaler {
    planes: scale::Scaler,
    info: VideoInfo,
    pool: gst::BufferPool,
}

impl Scaler {
    /// `like` lends what is not size: colours and the place of chroma. `rate` is told to the encoder; 0/1 is unknown.
    pub(super) fn new(
        like: &VideoInfo,
        (width, height): (u32, u32),
        rate: gst::Fraction,
    ) -> Result<Self, glib::BoolError> {
        let info = VideoInfo::builder(VideoFormat::I420, width, height)
            .fps(rate)
            .colorimetry(&like.colorimetry())
            .chroma_site(like.chroma_site())
            .build()?;
        let pool = gst::BufferPool::new();
        let mut config = pool.config();
        let size = u32::try_from(info.size()).map_err(|_| glib::bool_error!("a picture of {} bytes", info.size()))?;
        config.set_params(Some(&info.to_caps()?), size, 0, 0);
        pool.set_config(config)?;
        pool.set_active(true)?;
        Ok(Self { planes: scale::Scaler::default(), info, pool })
    }

    pub(super) fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// A smaller copy of `picture`, without its times.
    pub(super) fn scale(&mut self, picture: &gst::BufferRef, info: &VideoInfo) -> Result<gst::Buffer, glib::BoolError> {
        let mut scaled =
            self.pool.acquire_buffer(None).map_err(|error| glib::bool_error!("no room for a picture: {error}"))?;
        let target = scaled.get_mut().ok_or_else(|| glib::bool_error!("a picture of the pool is in use"))?;
        let from = VideoFrameRef::from_buffer_ref_readable(picture, info)?;
        let mut to = VideoFrameRef::from_buffer_ref_writable(target, &self.info)?;
        for plane in 0..3 {
            let (shape, target) = (shape(&from, plane)?, shape(&to, plane)?);
            let (read, write) = (from.plane_data(plane)?, to.plane_data_mut(plane)?);
            self.planes.plane(read, shape, write, target).map_err(|error| glib::bool_error!("{error}"))?;
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

/// How a plane of a picture lies in memory.
fn shape<T>(frame: &VideoFrameRef<T>, plane: u32) -> Result<Shape, glib::BoolError>
where
    VideoFrameRef<T>: VideoFrameExt,
{
    let stride = frame.plane_stride().get(plane as usize).and_then(|stride| u32::try_from(*stride).ok());
    let stride = stride.ok_or_else(|| glib::bool_error!("a picture stored upside down"))?;
    // In I420 planes and components have the same numbers.
    Ok(Shape { width: frame.comp_width(plane), height: frame.comp_height(plane), stride })
}

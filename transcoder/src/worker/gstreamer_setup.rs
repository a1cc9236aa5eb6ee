//! Which GStreamer plugins the child uses, where they are and which Debian package has them.
//!
//! These lists are the allow-list: the child scans no folder and loads exactly these files, and of the decoders only the one its
//! stream needs.

use std::fs;
use std::path::{Path, PathBuf};

use domain::import::Container;
use media::codec::VideoCodec;

use super::wire::Recode;

/// A plugin file and what is needed of it.
#[derive(Debug)]
pub(super) struct Plugin {
    pub(super) file: &'static str,
    pub(super) elements: &'static [&'static str],
    /// The Debian package that has it.
    pub(super) package: &'static str,
    /// The source package on other systems, for the hint.
    pub(super) upstream: &'static str,
}

const CORE: Plugin = Plugin {
    file: "libgstcoreelements.so",
    elements: &["capsfilter"],
    package: "libgstreamer1.0-0",
    upstream: "gstreamer",
};
const APP: Plugin = Plugin {
    file: "libgstapp.so",
    elements: &["appsrc", "appsink"],
    package: "gstreamer1.0-plugins-base",
    upstream: "gst-plugins-base",
};

pub(super) const PLUGINS: &[Plugin] = &[
    CORE,
    APP,
    Plugin {
        file: "libgstvideoconvertscale.so",
        elements: &["videoconvertscale"],
        package: "gstreamer1.0-plugins-base",
        upstream: "gst-plugins-base 1.22",
    },
    H264,
    Plugin {
        file: "libgstx264.so",
        elements: &["x264enc"],
        package: "gstreamer1.0-plugins-ugly",
        upstream: "gst-plugins-ugly",
    },
    Plugin {
        file: "libgstjpeg.so",
        elements: &["jpegenc"],
        package: "gstreamer1.0-plugins-good",
        upstream: "gst-plugins-good",
    },
];

const H264: Plugin =
    Plugin { file: "libgstlibav.so", elements: &["avdec_h264"], package: "gstreamer1.0-libav", upstream: "gst-libav" };
const H265: Plugin = Plugin { elements: &["avdec_h265"], ..H264 };
const DAV1D: Plugin = Plugin {
    file: "libgstdav1d.so",
    elements: &["dav1ddec"],
    package: "gstreamer1.0-plugins-rs",
    upstream: "gst-plugins-rs",
};
const AOM: Plugin = Plugin {
    file: "libgstaom.so",
    elements: &["av1dec"],
    package: "gstreamer1.0-plugins-bad",
    upstream: "gst-plugins-bad",
};

const ISO_MP4: Plugin = Plugin {
    file: "libgstisomp4.so",
    elements: &["qtdemux"],
    package: "gstreamer1.0-plugins-good",
    upstream: "gst-plugins-good",
};
const MATROSKA: Plugin = Plugin { file: "libgstmatroska.so", elements: &["matroskademux"], ..ISO_MP4 };

/// The codecs that a machine may lack a decoder for: streams of others run all the same.
pub(super) const OPTIONAL: [VideoCodec; 2] = [VideoCodec::Hevc, VideoCodec::Av1];

/// What decodes a codec, the best first. Each has the decoder as its only element.
fn decoders(codec: VideoCodec) -> &'static [Plugin] {
    match codec {
        VideoCodec::Avc => &[H264],
        VideoCodec::Hevc => &[H265],
        VideoCodec::Av1 => &[DAV1D, AOM],
    }
}

/// The folder of plugins that belongs to the GStreamer library this process is linked with.
pub(super) fn plugin_dir() -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let library = maps.lines().find_map(|line| {
        let path = line.get(line.find('/')?..)?;
        Path::new(path).file_name()?.to_str()?.starts_with("libgstreamer-1.0.so").then_some(path)
    })?;
    let dir = Path::new(library).parent()?.join("gstreamer-1.0");
    dir.is_dir().then_some(dir)
}

/// A plugin and where it was loaded from, or why not.
pub(super) type Loaded = (&'static Plugin, Result<PathBuf, String>);

/// Initialises GStreamer and loads the allow-list. The error names the file and the package.
pub(super) fn load() -> Result<(), String> {
    for (plugin, loaded) in load_each()? {
        loaded.map_err(|reason| format!("{reason} (package {})", plugin.package))?;
    }
    Ok(())
}

/// The same, plugin by plugin.
pub(super) fn load_each() -> Result<Vec<Loaded>, String> {
    let dir = start()?;
    Ok(PLUGINS.iter().map(|plugin| (plugin, plugin.load(&dir))).collect())
}

/// Loads what decodes `codec` and says which element that is. The error names what was looked for last, which is what most
/// systems have.
pub(super) fn load_decoder(codec: VideoCodec) -> Result<(&'static str, PathBuf), (&'static Plugin, String)> {
    first_of(decoders(codec))
}

/// Loads a plugin that only some children need.
pub(super) fn load_more(plugin: &Plugin) -> Result<(), String> {
    plugin.load(&start()?).map(drop).map_err(|reason| format!("{reason} (package {})", plugin.package))
}

/// Loads what reads files of a kind and nothing else. Says which element that is.
pub(super) fn load_reader(container: Container) -> Result<&'static str, String> {
    let reader = match container {
        Container::Mp4 | Container::Mov => &ISO_MP4,
        Container::Matroska | Container::WebM => &MATROSKA,
    };
    for plugin in [&CORE, &APP, reader] {
        load_more(plugin)?;
    }
    Ok(reader.elements.first().copied().unwrap_or_default())
}

/// What imported files may take besides: decoders of what browsers do not play, and what brings pictures and sound into shape.
const RECODERS: &[Plugin] = &[
    Plugin { file: "libgstcoreelements.so", elements: &["queue"], ..CORE },
    Plugin { file: "libgstvpx.so", elements: &["vp8dec", "vp9dec"], ..ISO_MP4 },
    Plugin { file: "libgstlibav.so", elements: LIBAV, ..H264 },
    Plugin { file: "libgstopus.so", elements: &["opusdec"], ..APP },
    Plugin { file: "libgstvorbis.so", elements: &["vorbisdec"], ..APP },
    Plugin { file: "libgstvideofilter.so", elements: &["videoflip"], ..ISO_MP4 },
    Plugin { file: "libgstvideoconvertscale.so", elements: &["videoconvertscale"], ..APP },
    Plugin { file: "libgstaudioconvert.so", elements: &["audioconvert"], ..APP },
    Plugin { file: "libgstaudioresample.so", elements: &["audioresample"], ..APP },
    Plugin {
        file: "libgstx264.so",
        elements: &["x264enc"],
        package: "gstreamer1.0-plugins-ugly",
        upstream: "gst-plugins-ugly",
    },
];
const LIBAV: &[&str] = &["avenc_aac", "avdec_h264", "avdec_h265", "avdec_aac"];

/// Loads what makes something else of a track: exactly the plugins of the elements that are named here.
pub(super) fn load_recoding(recode: &Recode) -> Result<(), String> {
    let (decoder, others): (&str, &[&str]) = match recode {
        Recode::Picture { decoder, orientation, .. } if orientation.is_empty() => {
            (decoder, &["queue", "videoconvertscale", "x264enc"])
        }
        Recode::Picture { decoder, .. } => (decoder, &["queue", "videoflip", "videoconvertscale", "x264enc"]),
        Recode::Sound { decoder } => (decoder, &["queue", "audioconvert", "audioresample", "avenc_aac"]),
    };
    for element in others.iter().copied().chain([decoder]).filter(|element| !element.is_empty()) {
        let plugin = RECODERS.iter().find(|plugin| plugin.elements.contains(&element));
        load_more(plugin.ok_or_else(|| format!("{element} is not on the list"))?)?;
    }
    Ok(())
}

/// The error belongs to the last one.
fn first_of(plugins: &'static [Plugin]) -> Result<(&'static str, PathBuf), (&'static Plugin, String)> {
    let dir = start();
    let mut missing = None;
    for plugin in plugins {
        match dir.as_ref().map_err(Clone::clone).and_then(|dir| plugin.load(dir)) {
            Ok(path) => return Ok((plugin.elements.first().copied().unwrap_or_default(), path)),
            Err(reason) => missing = Some((plugin, reason)),
        }
    }
    Err(missing.unwrap_or((&H264, "no decoder is known".to_owned())))
}

/// Initialises GStreamer and finds the folder of its plugins.
fn start() -> Result<PathBuf, String> {
    gstreamer::init().map_err(|error| format!("GStreamer does not start: {error}"))?;
    Ok(plugin_dir().ok_or("the folder of GStreamer's plugins was not found")?)
}

impl Plugin {
    /// How to get it.
    pub(super) fn hint(&self) -> String {
        format!("apt-get install {} (elsewhere: {})", self.package, self.upstream)
    }

    fn load(&self, dir: &Path) -> Result<PathBuf, String> {
        let path = dir.join(self.file);
        if !path.is_file() {
            return Err(format!("{} is missing", path.display()));
        }
        gstreamer::Plugin::load_file(&path).map_err(|error| format!("{} does not load: {error}", path.display()))?;
        match self.elements.iter().find(|element| gstreamer::ElementFactory::find(element).is_none()) {
            Some(element) => Err(format!("{} has no element {element}", path.display())),
            None => Ok(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: Plugin =
        Plugin { file: "libgstnobody.so", elements: &["nobodysdec"], package: "nobody", upstream: "nobody" };

    #[test]
    fn the_first_decoder_that_is_there_is_taken_and_a_missing_one_is_named() {
        let (element, _) = first_of(&[ABSENT, H264]).expect("the second is there");
        assert_eq!(element, "avdec_h264");
        let (plugin, reason) = first_of(&[ABSENT]).expect_err("nobody has it");
        assert!(reason.contains("libgstnobody.so is missing"), "{reason}");
        assert_eq!(plugin.package, "nobody");
        // The right file without the element.
        const HOLLOW: Plugin = Plugin { elements: &["avdec_nothing"], ..H264 };
        let (_, reason) = first_of(&[HOLLOW]).expect_err("it has no such element");
        assert!(reason.contains("has no element avdec_nothing"), "{reason}");
    }

    #[test]
    fn every_codec_has_a_decoder_to_look_for() {
        for codec in [VideoCodec::Avc, VideoCodec::Hevc, VideoCodec::Av1] {
            assert!(decoders(codec).iter().all(|plugin| plugin.elements.len() == 1));
            assert!(!decoders(codec).is_empty());
        }
    }
}

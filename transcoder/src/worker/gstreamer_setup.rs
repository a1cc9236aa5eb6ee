//! Which GStreamer plugins the child uses, where they are and which Debian package has them.
//!
//! This list is the allow-list: the child scans no folder and loads exactly these files.

use std::fs;
use std::path::{Path, PathBuf};

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

pub(super) const PLUGINS: &[Plugin] = &[
    Plugin {
        file: "libgstcoreelements.so",
        elements: &["capsfilter"],
        package: "libgstreamer1.0-0",
        upstream: "gstreamer",
    },
    Plugin {
        file: "libgstapp.so",
        elements: &["appsrc", "appsink"],
        package: "gstreamer1.0-plugins-base",
        upstream: "gst-plugins-base",
    },
    Plugin {
        file: "libgstvideoconvertscale.so",
        elements: &["videoconvertscale"],
        package: "gstreamer1.0-plugins-base",
        upstream: "gst-plugins-base 1.22",
    },
    Plugin { file: "libgstlibav.so", elements: &["avdec_h264"], package: "gstreamer1.0-libav", upstream: "gst-libav" },
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

/// The folder of plugins that belongs to the GStreamer library this process is linked with.
fn plugin_dir() -> Option<PathBuf> {
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
    gstreamer::init().map_err(|error| format!("GStreamer does not start: {error}"))?;
    let dir = plugin_dir().ok_or("the folder of GStreamer's plugins was not found")?;
    Ok(PLUGINS.iter().map(|plugin| (plugin, plugin.load(&dir))).collect())
}

impl Plugin {
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

//! The hardware encoders that are looked for, and how each is told what the ladder needs.
//!
//! Names of properties are those of GStreamer 1.22 and, where later versions renamed them, both.

use kit::config::EncoderWish;

use super::super::gstreamer_setup::Plugin;

/// Where an encoder's work is done, which says what device files its child needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Family {
    Vaapi,
    Nvenc,
    /// An encoder in software that stands for one in hardware, in tests.
    #[cfg(debug_assertions)]
    StandIn,
}

/// Elements in a row, each with its properties and their values.
pub(in super::super) type Behind = &'static [(&'static str, &'static [(&'static str, &'static str)])];

/// One element that may encode.
#[derive(Debug)]
pub(in super::super) struct Candidate {
    /// What it is called here: its element's name.
    pub(in super::super) name: &'static str,
    pub(in super::super) element: &'static str,
    pub(in super::super) family: Family,
    pub(in super::super) plugin: Plugin,
    pub(in super::super) settings: &'static [Setting],
    /// Behind it.
    pub(in super::super) then: Behind,
}

/// One thing an encoder is told.
#[derive(Debug)]
pub(in super::super) struct Setting {
    /// The property, by the names it has had.
    pub(in super::super) names: &'static [&'static str],
    pub(in super::super) value: Value,
    /// Without it the encoder is of no use. Others are set where they are there.
    pub(in super::super) is_needed: bool,
}

#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Value {
    Text(&'static str),
    /// The bit rate in kbit/s; as a buffer's size in kbit it is one second.
    Kbps,
    /// The bit rate in bit/s.
    #[cfg(debug_assertions)]
    Bps,
    /// As far as it goes: key frames are asked for one by one.
    Farthest,
}

const fn needed(names: &'static [&'static str], value: Value) -> Setting {
    Setting { names, value, is_needed: true }
}

const fn wished(names: &'static [&'static str], value: Value) -> Setting {
    Setting { names, value, is_needed: false }
}

/// `vah264enc` and its kin write byte streams only.
const PARSED: Behind = &[("h264parse", &[])];
pub(in super::super) const PARSER: Plugin = Plugin {
    file: "libgstvideoparsersbad.so",
    elements: &["h264parse"],
    package: "gstreamer1.0-plugins-bad",
    upstream: "gst-plugins-bad",
};

const VA: Plugin = Plugin {
    file: "libgstva.so",
    elements: &["vah264enc"],
    package: "gstreamer1.0-plugins-bad",
    upstream: "gst-plugins-bad",
};
const VA_SETTINGS: &[Setting] = &[
    needed(&["rate-control"], Value::Text("cbr")),
    needed(&["bitrate"], Value::Kbps),
    needed(&["key-int-max"], Value::Farthest),
    wished(&["b-frames"], Value::Text("0")),
    wished(&["cpb-size"], Value::Kbps),
    wished(&["aud"], Value::Text("false")),
];
const VAAPI: Plugin = Plugin {
    file: "libgstvaapi.so",
    elements: &["vaapih264enc"],
    package: "gstreamer1.0-vaapi",
    upstream: "gstreamer-vaapi",
};
const VAAPI_SETTINGS: &[Setting] = &[
    needed(&["rate-control"], Value::Text("cbr")),
    needed(&["bitrate"], Value::Kbps),
    needed(&["keyframe-period"], Value::Farthest),
    wished(&["max-bframes"], Value::Text("0")),
    wished(&["cpb-length"], Value::Text("1000")),
    wished(&["aud"], Value::Text("false")),
];
const NV: Plugin = Plugin {
    file: "libgstnvcodec.so",
    elements: &["nvh264enc"],
    package: "gstreamer1.0-plugins-bad",
    upstream: "gst-plugins-bad",
};
/// The older element's names first. B-frames have a property only on cards that can make them.
const NV_SETTINGS: &[Setting] = &[
    needed(&["rc-mode", "rate-control"], Value::Text("cbr")),
    needed(&["bitrate"], Value::Kbps),
    needed(&["gop-size"], Value::Farthest),
    wished(&["bframes", "b-frames"], Value::Text("0")),
    wished(&["zerolatency", "zero-reorder-delay"], Value::Text("true")),
    wished(&["rc-lookahead"], Value::Text("0")),
    wished(&["i-adapt"], Value::Text("false")),
    wished(&["vbv-buffer-size"], Value::Kbps),
    wished(&["preset"], Value::Text("low-latency-hq")),
    wished(&["aud"], Value::Text("false")),
];

/// All, in the order in which they are tried.
const CANDIDATES: &[Candidate] = &[
    candidate("vah264enc", Family::Vaapi, VA, VA_SETTINGS, PARSED),
    candidate("vah264lpenc", Family::Vaapi, Plugin { elements: &["vah264lpenc"], ..VA }, VA_SETTINGS, PARSED),
    candidate("vaapih264enc", Family::Vaapi, VAAPI, VAAPI_SETTINGS, &[]),
    candidate("nvh264enc", Family::Nvenc, NV, NV_SETTINGS, &[]),
    candidate("nvcudah264enc", Family::Nvenc, Plugin { elements: &["nvcudah264enc"], ..NV }, NV_SETTINGS, &[]),
    candidate("nvautogpuh264enc", Family::Nvenc, Plugin { elements: &["nvautogpuh264enc"], ..NV }, NV_SETTINGS, &[]),
];

const fn candidate(
    name: &'static str,
    family: Family,
    plugin: Plugin,
    settings: &'static [Setting],
    then: Behind,
) -> Candidate {
    Candidate { name, element: name, family, plugin, settings, then }
}

/// Those an operator's wish leaves, in the order in which they are tried.
pub(in super::super) fn wished_for(wish: EncoderWish) -> Vec<&'static str> {
    let is_wished = |candidate: &&Candidate| match wish {
        EncoderWish::Auto => true,
        EncoderWish::Software => false,
        EncoderWish::Vaapi => candidate.family == Family::Vaapi,
        EncoderWish::Nvenc => candidate.family == Family::Nvenc,
    };
    CANDIDATES.iter().filter(is_wished).map(|candidate| candidate.name).collect()
}

/// The candidate of that name. Stand-ins are known to debug builds only.
pub(in super::super) fn known(name: &str) -> Option<&'static Candidate> {
    let mut all = CANDIDATES.iter();
    #[cfg(debug_assertions)]
    let mut all = all.by_ref().chain(stand_ins::ALL);
    all.find(|candidate| candidate.name == name)
}

/// Encoders in software that tests use as if they were hardware, good ones and bad ones.
#[cfg(debug_assertions)]
mod stand_ins {
    use super::{Behind, Candidate, Family, PARSED, Plugin, Setting, VA, VA_SETTINGS, Value, needed, wished};

    const X264: Plugin = Plugin {
        file: "libgstx264.so",
        elements: &["x264enc"],
        package: "gstreamer1.0-plugins-ugly",
        upstream: "gst-plugins-ugly",
    };
    const OPENH264: Plugin = Plugin { file: "libgstopenh264.so", elements: &["openh264enc"], ..X264 };
    const JPEG: Plugin = Plugin { file: "libgstjpeg.so", elements: &["jpegenc"], ..X264 };

    const fn x264(name: &'static str, settings: &'static [Setting], then: Behind) -> Candidate {
        Candidate { name, element: "x264enc", family: Family::StandIn, plugin: X264, settings, then }
    }

    const GOOD: &[Setting] = &[
        needed(&["pass"], Value::Text("cbr")),
        needed(&["bitrate"], Value::Kbps),
        needed(&["key-int-max"], Value::Farthest),
        wished(&["tune"], Value::Text("zerolatency")),
        wished(&["speed-preset"], Value::Text("veryfast")),
        wished(&["option-string"], Value::Text("scenecut=0")),
    ];

    const REORDERS: &[Setting] = &[
        needed(&["bframes"], Value::Text("2")),
        wished(&["b-adapt"], Value::Text("false")),
        wished(&["rc-lookahead"], Value::Text("0")),
        wished(&["sync-lookahead"], Value::Text("0")),
        wished(&["threads"], Value::Text("1")),
        needed(&["key-int-max"], Value::Farthest),
    ];

    pub(super) const ALL: &[Candidate] = &[
        x264("x264-good", GOOD, &[]),
        // Works for forty pictures, as a card does whose sessions are taken.
        x264("x264-breaks", GOOD, &[("identity", &[("error-after", "40")])]),
        x264("x264-hangs", GOOD, &[("identity", &[("sleep-time", "20000000")])]),
        x264("x264-reorders", REORDERS, &[]),
        x264("x264-looks-ahead", &[needed(&["key-int-max"], Value::Farthest)], &[]),
        x264("x264-deaf", &[needed(&["intra-refresh"], Value::Text("true")), GOOD_TUNE], &[]),
        x264("x264-restless", &[needed(&["key-int-max"], Value::Text("3")), GOOD_TUNE], &[]),
        x264("x264-lacks", &[needed(&["rate-control", "rc-mode"], Value::Text("cbr"))], &[]),
        x264("x264-misunderstands", &[needed(&["pass"], Value::Text("no-such-way"))], &[]),
        Candidate {
            name: "openh264enc",
            element: "openh264enc",
            family: Family::StandIn,
            plugin: OPENH264,
            settings: &[
                needed(&["rate-control"], Value::Text("bitrate")),
                needed(&["bitrate"], Value::Bps),
                needed(&["gop-size"], Value::Farthest),
                wished(&["scene-change-detection"], Value::Text("false")),
                wished(&["no-such-property"], Value::Kbps),
            ],
            then: PARSED,
        },
        // Pictures, but not of H.264.
        Candidate {
            name: "jpegenc",
            element: "jpegenc",
            family: Family::StandIn,
            plugin: JPEG,
            settings: &[],
            then: &[],
        },
        // The plugin is there, but without a device it has no such element.
        Candidate {
            name: "vah264enc-without-device",
            element: "vah264enc",
            family: Family::StandIn,
            plugin: VA,
            settings: VA_SETTINGS,
            then: PARSED,
        },
        Candidate {
            name: "nobodysh264enc",
            element: "nobodysh264enc",
            family: Family::StandIn,
            plugin: Plugin { file: "libgstnobody.so", elements: &["nobodysh264enc"], ..X264 },
            settings: &[],
            then: &[],
        },
    ];

    const GOOD_TUNE: Setting = wished(&["tune"], Value::Text("zerolatency"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_leaves_its_family_and_software_none() {
        assert_eq!(wished_for(EncoderWish::Software), [] as [&str; 0]);
        assert_eq!(wished_for(EncoderWish::Vaapi), ["vah264enc", "vah264lpenc", "vaapih264enc"]);
        assert_eq!(wished_for(EncoderWish::Nvenc), ["nvh264enc", "nvcudah264enc", "nvautogpuh264enc"]);
        assert_eq!(wished_for(EncoderWish::Auto).len(), 6);
    }

    #[test]
    fn every_candidate_must_keep_a_rate_and_make_key_frames_on_demand_only() {
        for candidate in CANDIDATES {
            let is_needed = |of: &dyn Fn(&Setting) -> bool| candidate.settings.iter().any(|s| s.is_needed && of(s));
            assert!(is_needed(&|s| matches!(s.value, Value::Text("cbr"))), "{}", candidate.name);
            assert!(is_needed(&|s| s.names.contains(&"bitrate")), "{}", candidate.name);
            assert!(is_needed(&|s| matches!(s.value, Value::Farthest)), "{}", candidate.name);
            assert_eq!(candidate.plugin.elements, [candidate.element], "its plugin must bring it");
        }
    }
}

//! Setting up a hardware encoder: the elements around it, and what it is told.

use gstreamer::prelude::*;
use gstreamer::{self as gst, glib};

use super::super::encoder::table::{Candidate, PARSER, Setting, Value};
use super::super::gstreamer_setup;

/// The farthest that key frames are set apart where the encoder knows no bound.
const FAR: u32 = 1 << 30;

/// Loads the plugins of a candidate, which are on no other child's allow-list.
pub(super) fn load(candidate: &Candidate) -> Result<(), String> {
    gstreamer_setup::load_more(&candidate.plugin)?;
    if candidate.then.iter().any(|(element, _)| PARSER.elements.contains(element)) {
        gstreamer_setup::load_more(&PARSER)?;
    }
    Ok(())
}

/// The elements that turn pictures in I420 into H.264, in their order. The second is the encoder.
pub(super) fn chain(candidate: &Candidate, bitrate_kbps: u32) -> Result<Vec<gst::Element>, glib::BoolError> {
    // Most take NV12 only.
    let converter = gst::ElementFactory::make("videoconvertscale").property("qos", false).build()?;
    let encoder = gst::ElementFactory::make(candidate.element).build()?;
    for setting in candidate.settings {
        apply(&encoder, setting, bitrate_kbps.max(1)).map_err(|reason| glib::bool_error!("{reason}"))?;
    }
    let mut chain = vec![converter, encoder];
    for (name, properties) in candidate.then {
        let element = gst::ElementFactory::make(name).build()?;
        for (property, value) in *properties {
            element.set_property_from_str(property, value);
        }
        chain.push(element);
    }
    Ok(chain)
}

/// Sets what the element has. The error is about something it must have.
fn apply(element: &gst::Element, setting: &Setting, kbps: u32) -> Result<(), String> {
    let found = setting.names.iter().find_map(|name| element.find_property(name));
    let value = match &found {
        Some(spec) => value(spec, setting.value, kbps),
        None => Err(format!("it has no property {}", setting.names.join(" or "))),
    };
    match (found, value) {
        (Some(spec), Ok(value)) => {
            element.set_property_from_value(spec.name(), &value);
            Ok(())
        }
        (_, Err(reason)) if setting.is_needed => Err(reason),
        _ => Ok(()),
    }
}

/// The value in the property's own type, or why there is none.
fn value(spec: &glib::ParamSpec, value: Value, kbps: u32) -> Result<glib::Value, String> {
    if !spec.flags().contains(glib::ParamFlags::WRITABLE) {
        return Err(format!("its {} cannot be set", spec.name()));
    }
    match value {
        Value::Text(text) => glib::Value::deserialize(text, spec.value_type())
            .map_err(|_| format!("its {} cannot be {text}", spec.name())),
        Value::Kbps => number(spec, kbps),
        #[cfg(debug_assertions)]
        Value::Bps => number(spec, kbps.saturating_mul(1_000)),
        Value::Farthest => match spec.downcast_ref::<glib::ParamSpecInt>() {
            // Says "never".
            Some(spec) if spec.minimum() == -1 => Ok((-1_i32).to_value()),
            _ => number(spec, FAR),
        },
    }
}

/// A number, or what comes nearest to it within the property's bounds.
fn number(spec: &glib::ParamSpec, wanted: u32) -> Result<glib::Value, String> {
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt>() {
        return Ok(wanted.clamp(spec.minimum(), spec.maximum()).to_value());
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecInt>() {
        let wanted = i32::try_from(wanted).unwrap_or(i32::MAX);
        return Ok(wanted.clamp(spec.minimum(), spec.maximum()).to_value());
    }
    Err(format!("its {} is no number", spec.name()))
}

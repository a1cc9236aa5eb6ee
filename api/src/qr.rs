//! Pictures of addresses, for cameras.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// A QR code as an SVG document: dark on white whatever the page's colours are, with its quiet zone, as scanners want it.
pub(crate) fn picture(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let colours = (svg::Color("#000"), svg::Color("#fff"));
    Some(code.render().dark_color(colours.0).light_color(colours.1).min_dimensions(240, 240).build())
}

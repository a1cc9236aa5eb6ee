//! Makes sure there is a web app to embed: a page that says what is missing, when the real one was not built.

use std::fs;
use std::path::Path;

const PLACEHOLDER: &str = "<!doctype html>
<html lang=\"en\">
  <head>
    <meta charset=\"utf-8\" />
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />
    <title>Rillcast</title>
  </head>
  <body>
    <h1>Rillcast is running</h1>
    <p>The web app was not built into this program. Build it with <code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>, then build the server again.</p>
    <p><a href=\"/docs\">The API is documented here.</a></p>
  </body>
</html>
";

fn main() {
    let dist = Path::new("../web/dist");
    let index = dist.join("index.html");
    if !index.exists() {
        fs::create_dir_all(dist).expect("web/dist can be made");
        fs::write(&index, PLACEHOLDER).expect("web/dist can be written to");
    }
    println!("cargo:rerun-if-changed=../web/dist");
    println!("cargo:rerun-if-changed=build.rs");
}

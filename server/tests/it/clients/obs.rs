//! OBS Studio without a screen, as its user has set it up: one scene, a profile, and "start streaming".

use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::end;

/// What its user may change between two streams.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub width: u32,
    pub height: u32,
    pub fps: u32,
    pub bitrate_kbps: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { width: 640, height: 360, fps: 30, bitrate_kbps: 1_200 }
    }
}

/// A running OBS and the screen it draws on.
pub struct Obs {
    child: Child,
    screen: Child,
    _home: tempfile::TempDir,
}

impl Obs {
    pub async fn start(server: &str, key: &str, settings: Settings) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        prepare(home.path(), server, key, settings);
        // The X server writes the display it found free to the descriptor it is told.
        let mut screen = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Xvfb is installed: ./dev e2e");
        let mut number = String::new();
        let mut said = tokio::io::BufReader::new(screen.stdout.take().expect("piped"));
        tokio::io::AsyncBufReadExt::read_line(&mut said, &mut number).await.expect("a display");
        let child = Command::new("obs")
            .args(["--startstreaming", "--multi", "--disable-updater", "--profile", "Test", "--collection", "Test"])
            .env("DISPLAY", format!(":{}", number.trim()))
            .env("HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path().join("config"))
            .env("XDG_RUNTIME_DIR", home.path())
            .env("QT_QPA_PLATFORM", "xcb")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("obs is installed: ./dev e2e");
        Self { child, screen, _home: home }
    }

    /// Ends it as closing its window does.
    pub async fn stop(self) {
        let Self { child, mut screen, _home } = self;
        end(child).await;
        screen.kill().await.expect("the screen can be taken away");
    }

    /// A crash, or a power cut.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
        self.screen.kill().await.expect("the screen can be taken away");
    }
}

/// Writes what OBS would have written once its user was done with the first start's questions.
fn prepare(home: &Path, server: &str, key: &str, settings: Settings) {
    let Settings { width, height, fps, bitrate_kbps } = settings;
    let folder = home.join("config").join("obs-studio");
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        std::fs::write(path, text).expect("written");
    };
    let global = "[General]\nFirstRun=true\nLicenseAccepted=true\nPre19Defaults=false\nPre21Defaults=false\n\
        Pre23Defaults=false\nPre24.1Defaults=false\nLastVersion=486539266\nEnableAutoUpdates=false\nConfirmOnExit=false\n\
        [Basic]\nProfile=Test\nProfileDir=Test\nSceneCollection=Test\nSceneCollectionFile=Test\nConfigOnNewProfile=true\n\
        [BasicWindow]\nSysTrayEnabled=false\nWarnBeforeStartingStream=false\nWarnBeforeStoppingStream=false\n\
        [OBSWebSocket]\nFirstLoad=false\nServerEnabled=false\n";
    write("global.ini", global.to_owned());
    let basic = format!(
        "[General]\nName=Test\n[Output]\nMode=Simple\nReconnect=true\nRetryDelay=2\nMaxRetries=25\n\
         [SimpleOutput]\nVBitrate={bitrate_kbps}\nABitrate=128\nStreamEncoder=x264\nPreset=ultrafast\n\
         UseAdvanced=true\nx264Settings=keyint={}\n\
         [Video]\nBaseCX=1280\nBaseCY=720\nOutputCX={width}\nOutputCY={height}\nFPSType=1\nFPSInt={fps}\n\
         [Audio]\nSampleRate=48000\nChannelSetup=Stereo\n",
        fps * 2
    );
    write("basic/profiles/Test/basic.ini", basic);
    let service = serde_json::json!({
        "type": "rtmp_custom",
        "settings": { "server": server, "key": key, "use_auth": false, "bwtest": false }
    });
    write("basic/profiles/Test/service.json", service.to_string());
    let item = serde_json::json!({
        "name": "Colour", "id": 1, "visible": true, "locked": false, "pos": { "x": 0.0, "y": 0.0 },
        "scale": { "x": 1.0, "y": 1.0 }, "rot": 0.0, "align": 5, "bounds": { "x": 0.0, "y": 0.0 }, "bounds_type": 0,
        "bounds_align": 0, "crop_left": 0, "crop_top": 0, "crop_right": 0, "crop_bottom": 0
    });
    let scenes = serde_json::json!({
        "name": "Test", "current_scene": "Scene", "current_program_scene": "Scene", "scene_order": [{ "name": "Scene" }],
        "sources": [
            { "id": "color_source_v3", "versioned_id": "color_source_v3", "name": "Colour", "enabled": true,
              "settings": { "color": 4_278_255_360_u32, "width": 1_280, "height": 720 } },
            { "id": "scene", "versioned_id": "scene", "name": "Scene", "enabled": true,
              "settings": { "custom_size": false, "id_counter": 1, "items": [item] } }
        ],
        "groups": [], "transitions": [], "quick_transitions": []
    });
    write("basic/scenes/Test.json", scenes.to_string());
}

//! `holdall doctor`.

use crate::home::Home;

#[test]
fn everything_is_looked_at_and_no_secret_is_told() {
    let mut home = Home::new();
    home.set("HF_TOKEN", "hf_very_secret");
    home.set("HTTPS_PROXY", "http://me:hidden@proxy:3128");
    home.set("HOLDALL_TRY", "1");
    home.set("HF_HUB_OFFLINE", "1");
    let text = home.run(&["doctor"]).ok().stdout;
    for part in [
        env!("CARGO_PKG_VERSION"),
        "processor:",
        "cores:",
        "simd:",
        "memory:",
        "cpu (",
        "not there yet",
        "smollm2, not fetched",
        "but offline",
        "from HF_TOKEN",
        "HOLDALL_TRY=1",
        "no Python or pip found",
        #[cfg(target_os = "linux")]
        "NVRTC",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let json = home.run(&["doctor", "--json"]).ok().stdout;
    for output in [&text, &json] {
        assert!(!output.contains("secret") && !output.contains("hidden"), "{output}");
    }
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    for key in [
        "version",
        "os",
        "arch",
        "cpu",
        "memory",
        "devices",
        "backends",
        "caches",
        "default_model",
        "network",
        "variables",
    ] {
        assert!(value.get(key).is_some(), "{key} is missing: {json}");
    }
    #[cfg(target_os = "linux")]
    for library in value["backends"][0]["libraries"].as_array().unwrap() {
        // Each was found, or it is said how to get it.
        assert!(library["path"].is_string() != library["problem"].is_string(), "{library}");
    }
    assert_eq!(value["network"]["token"], "HF_TOKEN");
    assert_eq!(value["default_model"]["cached"], false);
    assert_eq!(value["variables"]["HOLDALL_TRY"], "1");
}

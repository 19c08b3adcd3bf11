//! `sinter-ops write` makes the files of this folder again; `sinter-ops live FILE...` compares the list of metrics with what
//! live machines serve, one file each.

use std::{env, fs, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((command, [])) if command == "write" => write(),
        Some((command, files)) if command == "live" && !files.is_empty() => live(files),
        _ => Err("expected `write` or `live FILE...`".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), String> {
    for (path, text) in sinter_ops::files() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn live(files: &[String]) -> Result<(), String> {
    let read = |file: &String| fs::read_to_string(file).map_err(|error| format!("{file}: {error}"));
    let texts = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let missing = sinter_ops::live::missing(sinter_ops::metrics::METRICS, &texts);
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
}

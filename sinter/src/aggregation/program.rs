//! `sinter program`: programs as files.

use super::{ProgramCommand, arguments::Instance, input, nodes, soundness, text};
use crate::exit::{Exit, Failure, OrFail, print_result};
use serde_json::{Value, json};
use sinter_program::{Program, StatementLayout, file, shape::TableShape, soundness::Report};
use sinter_prover::{leaf::proof_bytes_max, standard::Standard};
use std::path::Path;

/// Carries the command out.
///
/// # Errors
/// When a program is malformed, or a file cannot be read or written.
pub fn run(command: &ProgramCommand) -> Result<(), Failure> {
    match command {
        ProgramCommand::Export { standard, instance, output, json } => export(*standard, instance, output, *json),
        ProgramCommand::Id { file, json } => id(file, *json),
        ProgramCommand::Inspect { file, json } => {
            let program = input::program(file)?;
            print_result(if *json { inspect_json(&program) } else { inspect_text(&program) })
        }
    }
}

fn export(standard: Standard, instance: &Instance, output: &Path, json: bool) -> Result<(), Failure> {
    let program = standard.program(instance.log_rows, instance.set).or_fail(Exit::Usage, standard)?;
    let bytes = file::encode(&program);
    input::write(output, &bytes)?;
    let (digest, permutations) = (text::digest(program.digest()), standard.permutations(instance.log_rows));
    print_result(if json {
        json!({
            "program": output,
            "standard": standard.name(),
            "digest": digest,
            "permutations": permutations,
            "bytes": bytes.len(),
        })
        .to_string()
    } else {
        let size = text::bytes(bytes.len() as u64);
        format!("{}: {permutations} permutations of {standard}, {size}\ndigest {digest}", output.display())
    })
}

fn id(path: &Path, json: bool) -> Result<(), Failure> {
    let program = input::program(path)?;
    let (digest, report) = (text::digest(program.digest()), Report::new(program.shape()));
    let wrapper = nodes::wrapper(path, &program)?;
    let (program_id, layers) = (text::digest(wrapper.program_id()), wrapper.layers());
    print_result(if json {
        let rows: Vec<Value> = layers.iter().map(|layer| nodes::rows_json(layer)).collect();
        json!({
            "program_id": program_id,
            "digest": digest,
            "parameter_set": report.parameter_set,
            "proven_bits": report.proven_bits,
            "meets_target": report.meets_target(),
            "verifier_rows": rows,
        })
        .to_string()
    } else {
        let bits = text::bits(report.proven_bits);
        [
            format!("program id   {program_id}"),
            format!("digest       {digest}"),
            format!("proven bits  {bits} ({}){}", report.parameter_set, remark(&report)),
            format!(
                "wrapped in   {}",
                if layers.len() == 1 { "1 layer".into() } else { format!("{} layers", layers.len()) }
            ),
        ]
        .join("\n")
    })
}

/// What is to be said of a program that proves too little.
pub fn remark(report: &Report) -> &'static str {
    if report.meets_target() { "" } else { ": for development alone" }
}

const fn layout(program: &Program) -> &'static str {
    match program.layout() {
        StatementLayout::Raw => "raw",
        StatementLayout::Journal => "journal",
    }
}

fn inspect_json(program: &Program) -> String {
    let shape = program.shape();
    let tables: Vec<Value> =
        shape.tables.iter().enumerate().map(|(index, table)| table_json(program, index, table)).collect();
    json!({
        "digest": text::digest(program.digest()),
        "bytes": file::encode(program).len(),
        "statement_layout": layout(program),
        "tables": tables,
        "buses": shape.buses,
        "message_width": shape.message_width,
        "public_values": shape.public_values(),
        "preprocessed_digests": program.commitment().map_or(0, |cap| cap.num_roots()),
        "proof_bytes_max": proof_bytes_max(shape),
        "soundness": soundness::report_json(&Report::new(shape)),
    })
    .to_string()
}

fn table_json(program: &Program, index: usize, table: &TableShape) -> Value {
    let dag = program.airs()[index].dag();
    json!({
        "log_height": table.log_height,
        "main_width": table.main_width,
        "reads_next_row": table.main_next,
        "preprocessed_width": table.preprocessed_width,
        "reads_next_preprocessed_row": table.preprocessed_next,
        "public_values": table.public_values,
        "unread_public_values": dag.unread_public_values().collect::<Vec<_>>(),
        "nodes": dag.nodes().len(),
        "constraints": dag.constraints().len(),
        "constraints_with_lookups": table.constraints,
        "degree": dag.constraint_degree(),
        "degree_with_lookups": table.constraint_degree,
        "quotient_chunks": 1usize << table.log_quotient_chunks,
        "interactions": dag.interactions().len(),
        "messages_a_row": table.messages,
        "permutation_width": table.permutation_width(),
    })
}

fn inspect_text(program: &Program) -> String {
    let shape = program.shape();
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let mut rows = vec![words(&[
        "table",
        "rows",
        "columns",
        "preprocessed",
        "publics",
        "degree",
        "chunks",
        "constraints",
        "nodes",
        "messages",
    ])];
    for (index, (table, air)) in shape.tables.iter().zip(program.airs()).enumerate() {
        let next = |reads: bool| if reads { " +next" } else { "" };
        rows.push(vec![
            index.to_string(),
            format!("2^{}", table.log_height),
            format!("{}{}", table.main_width, next(table.main_next)),
            format!("{}{}", table.preprocessed_width, next(table.preprocessed_next)),
            table.public_values.to_string(),
            table.constraint_degree.to_string(),
            (1usize << table.log_quotient_chunks).to_string(),
            table.constraints.to_string(),
            air.dag().nodes().len().to_string(),
            table.messages.to_string(),
        ]);
    }
    let report = Report::new(shape);
    let remark = remark(&report);
    let mut parts = vec![
        format!("digest          {}", text::digest(program.digest())),
        format!("file            {}", text::bytes(file::encode(program).len() as u64)),
        format!("public values   {} ({})", shape.public_values(), layout(program)),
        format!("buses           {}, messages of at most {} elements", shape.buses, shape.message_width),
        format!("a proof         at most {}", text::bytes(proof_bytes_max(shape))),
        String::new(),
        text::table(&rows),
        String::new(),
        text::table(&soundness::rows(&[report])),
    ];
    for (table, air) in program.airs().iter().enumerate() {
        let unread: Vec<String> = air.dag().unread_public_values().map(|index| index.to_string()).collect();
        if !unread.is_empty() {
            let list = unread.join(", ");
            parts.push(format!("table {table}: no constraint reads public values {list}: they are the prover's word"));
        }
    }
    if !remark.is_empty() {
        parts.push(remark.trim_start_matches(": ").to_owned());
    }
    parts.join("\n")
}

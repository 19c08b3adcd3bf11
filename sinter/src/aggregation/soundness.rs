//! `sinter soundness`: what each parameter set proves, step by step, for proofs of the universal shape.

use super::{SoundnessArguments, text};
use crate::exit::{Exit, Failure, OrFail, print_result};
use serde_json::{Value, json};
use sinter_circuit::{TableAir, TableKind};
use sinter_program::{
    DagAir, ParameterSet, Program, Shape, StatementLayout,
    dag::ExportError,
    field::{Cap, DIGEST_LEN, F},
    soundness::{Report, Step, TARGET_BITS, Term},
};
use sinter_seal::hash::COLLISION_BITS;

/// Prints what the sets prove.
///
/// # Errors
/// When a set that is not for development proves less than it must.
pub fn run(arguments: &SoundnessArguments) -> Result<(), Failure> {
    let sets: Vec<ParameterSet> = match arguments.set {
        Some(set) => vec![set],
        None => ParameterSet::NAMED.iter().map(|&(_, set)| set).collect(),
    };
    let reports = sets.into_iter().map(report).collect::<Result<Vec<_>, Failure>>()?;
    print_result(if arguments.json { as_json(&reports) } else { as_text(&reports) })?;
    match reports.iter().find(|report| report.parameters != ParameterSet::DEV && !report.meets_target()) {
        Some(report) => Err(Failure::new(
            Exit::Refused,
            format!("{}: expected {TARGET_BITS} proven bits, got {:.1}", report.parameter_set, report.proven_bits),
        )),
        None => Ok(()),
    }
}

/// What a set proves. Seals alone are hashed with Keccak.
fn report(set: ParameterSet) -> Result<Report, Failure> {
    let report = Report::new(&universal(set)?);
    Ok(if set == ParameterSet::SEAL { report.with_collision_bits(COLLISION_BITS as f64) } else { report })
}

/// The shape of node proofs under a parameter set. It takes no circuit: what one has preprocessed does not matter.
fn universal(set: ParameterSet) -> Result<Shape, Failure> {
    let what = "the universal shape";
    let airs = TableKind::ALL.iter().map(|&kind| Ok(DagAir::new(sinter_program::dag::export(&TableAir::shape(kind))?)));
    let airs = airs.collect::<Result<Vec<_>, ExportError>>().or_fail(Exit::Failed, what)?;
    let cap = Cap::new(vec![[F::default(); DIGEST_LEN]; 1 << set.cap_height]);
    let log_heights = vec![15, 15, 12, 12, 9];
    let program = Program::new(airs, log_heights, set, StatementLayout::Raw, Some(cap)).or_fail(Exit::Failed, what)?;
    Ok(program.shape().clone())
}

/// The steps whose term is the least.
pub fn binding(report: &Report) -> impl Iterator<Item = &Term> {
    report.terms.iter().filter(|term| term.bits <= report.proven_bits)
}

/// A report, and what follows from it.
pub fn report_json(report: &Report) -> Value {
    let binds: Vec<Step> = binding(report).map(|term| term.step).collect();
    json!({
        "parameter_set": report.parameter_set,
        "parameters": report.parameters,
        "johnson_m": report.johnson_m,
        "terms": report.terms,
        "proven_bits": report.proven_bits,
        "binds": binds,
        "meets_target": report.meets_target(),
    })
}

fn as_json(reports: &[Report]) -> String {
    let sets: Vec<Value> = reports.iter().map(report_json).collect();
    json!({ "target_bits": TARGET_BITS, "sets": sets }).to_string()
}

fn as_text(reports: &[Report]) -> String {
    format!(
        "Proven bits of node proofs, by step of the protocol. The least of them counts.\n\n{}",
        text::table(&rows(reports))
    )
}

/// One column a report, one row a number.
pub fn rows(reports: &[Report]) -> Vec<Vec<String>> {
    let row = |name: String, cell: &dyn Fn(&Report) -> String| {
        let mut row = vec![name];
        row.extend(reports.iter().map(cell));
        row
    };
    let parameter =
        |name: &str, value: fn(&ParameterSet) -> u8| row(name.into(), &|it| value(&it.parameters).to_string());
    let mut rows = vec![
        row("parameter set".into(), &|it| it.parameter_set.to_owned()),
        parameter("  log2 of the blow-up", |set| set.log_blowup),
        parameter("  queries", |set| set.queries),
        parameter("  bits ground before queries", |set| set.query_pow_bits),
        parameter("  ... before batching", |set| set.batch_pow_bits),
        parameter("  ... before the point", |set| set.ood_pow_bits),
        parameter("  ... before lookups", |set| set.lookup_pow_bits),
        parameter("  ... before each folding", |set| set.commit_pow_bits),
        row("  regime".into(), &|it| match it.johnson_m {
            Some(m) => format!("Johnson, m = {m}"),
            None => "unique".to_owned(),
        }),
    ];
    let mut steps: Vec<Step> = Vec::new();
    for term in reports.iter().flat_map(|report| &report.terms) {
        if !steps.contains(&term.step) {
            steps.push(term.step);
        }
    }
    rows.extend(
        steps.into_iter().map(|step| row(step.to_string(), &|it| it.bits(step).map_or("-".into(), text::bits))),
    );
    rows.push(row("proven".into(), &|it| text::bits(it.proven_bits)));
    rows.push(row("  bound by".into(), &|it| {
        binding(it).map(|term| term.step.to_string()).collect::<Vec<_>>().join(", ")
    }));
    rows
}

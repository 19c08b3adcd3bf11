//! `sinter seal`: the root of a batch into the bytes that an `AggregationHub` takes.

use super::{SealArguments, input, nodes, progress::Progress, text};
use crate::exit::{Exit, Failure, OrFail, print_result};
use serde_json::{Value, json};
use sinter_program::ProofFile;
use sinter_prover::{
    CpuProver, Folder, Linker, Report, aggregate::tree::batch_statements, files, link::Capacity, statements,
};
use sinter_recursion::{Statement, Universal, statement};
use sinter_seal::{
    Claim, Sealer,
    evm::{self, Program},
    parts::{PartKind, parts},
    sealer::{SealLayers, SealReport},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A seal, and what it took.
pub struct Sealed {
    /// What the contract takes.
    pub bytes: Vec<u8>,
    /// What it says.
    pub claim: Claim,
    /// The bits that it proves.
    pub proven_bits: f64,
    /// The seal key, which a contract is deployed for.
    pub key: [u8; 32],
    /// What the contract is told about the seal's AIR.
    pub program: Program,
    /// Its bytes by what they are.
    pub bytes_by_part: BTreeMap<&'static str, usize>,
    /// The capacity of the link.
    pub capacity: Capacity,
    /// Recording circuits and committing to their fixed columns: once a process.
    pub build: Duration,
    /// The link, before and after its wraps.
    pub link: [Report; 2],
    /// Everything above it.
    pub seal: SealReport,
}

impl Sealed {
    /// From the root to the seal, without what is once a process.
    #[must_use]
    pub fn wall(&self) -> Duration {
        self.link.iter().map(|report| report.wall).sum::<Duration>() + self.seal.wall
    }

    /// Seconds of each step.
    #[must_use]
    pub fn steps(&self) -> Value {
        let [link, wrap] = self.link.map(|report| text::seconds(report.wall));
        let [top, shrink, narrow] = self.seal.below.map(|report| text::seconds(report.wall));
        json!({
            "link": link,
            "link_wrap": wrap,
            "top": top,
            "shrink": shrink,
            "narrow": narrow,
            "seal": text::seconds(self.seal.seal),
        })
    }
}

/// The sealer of batches that are folded by `folder`: every circuit recorded, every fixed column committed to.
///
/// # Errors
/// When a circuit cannot be recorded or committed to.
pub fn sealer(folder: &Folder<'static>, layers: &SealLayers) -> Result<Sealer<'static>, Failure> {
    let links = Capacity::ALL.map(Capacity::key);
    Sealer::new(Universal::fold(), folder.key(), &links, layers).or_fail(Exit::Failed, "building the seal circuits")
}

/// What the contracts of a sealer's seals are made of.
///
/// # Errors
/// When it does not fit contracts.
pub fn program(sealer: &Sealer<'_>) -> Result<Program, Failure> {
    evm::program(sealer.seal()).or_fail(Exit::Failed, "the contract's program")
}

/// Seals a root: `statements` are all those below it, a null statement included.
///
/// # Errors
/// When there are more statements than any link holds, or a step fails.
pub fn seal(
    folder: &Folder<'static>,
    root: &ProofFile,
    statements: &[Statement],
    layers: &SealLayers,
    say: &mut dyn FnMut(&str),
) -> Result<Sealed, Failure> {
    let most = Capacity::ALL.map(Capacity::statements).into_iter().max().unwrap_or_default();
    let capacity = Capacity::of(statements.len()).ok_or_else(|| {
        let got = statements.len();
        Failure::new(Exit::Usage, format!("a seal is of at most {most} statements, got {got}: seal smaller batches"))
    })?;
    let mut build = Duration::ZERO;
    let mut timed = |start: Instant| build += start.elapsed();

    say(&format!("building the circuits that link up to {capacity} statements"));
    let start = Instant::now();
    let linker = Linker::new(capacity).or_fail(Exit::Failed, "building the link circuits")?;
    timed(start);
    say("linking the statements' two roots");
    let (link, link_reports) = linker.prove(&CpuProver, statements).or_fail(Exit::Failed, "linking")?;
    // Its columns are gigabytes that the seal needs for its own.
    drop(linker);

    say("building the circuits that shrink and seal");
    let start = Instant::now();
    let sealer = sealer(folder, layers)?;
    timed(start);
    say("shrinking and sealing");
    let (bytes, claim, report) = sealer.prove(&CpuProver, root, &link).or_fail(Exit::Failed, "sealing")?;
    let verified = sealer.seal().verify(&bytes).or_fail(Exit::Failed, "the seal that was just made")?;
    if verified != claim {
        return Err(Failure::new(Exit::Failed, "the seal that was just made is of other statements"));
    }
    let program = program(&sealer)?;
    let mut bytes_by_part = BTreeMap::new();
    for part in parts(sealer.seal(), &bytes).or_fail(Exit::Failed, "the seal that was just made")? {
        *bytes_by_part.entry(kind(part.kind)).or_default() += part.range.len();
    }
    Ok(Sealed {
        bytes,
        claim,
        proven_bits: sealer.seal().report().proven_bits,
        key: *sealer.seal().key(),
        program,
        bytes_by_part,
        capacity,
        build,
        link: link_reports,
        seal: report,
    })
}

/// What a part is called in reports.
const fn kind(kind: PartKind) -> &'static str {
    match kind {
        PartKind::Root | PartKind::Count => "claim",
        PartKind::TreeRoot(_) => "roots",
        PartKind::Witness(_) => "witnesses",
        PartKind::Claimed => "claimed_values",
        PartKind::FinalPolynomial => "final_polynomial",
        PartKind::Rows(_) => "rows",
        PartKind::Groups(_) => "fold_groups",
        PartKind::Paths(_) => "paths",
    }
}

/// Seals a root and writes the seal.
///
/// # Errors
/// With [`Exit::Refused`] when the root does not hold, or is not over these statements.
pub fn run(arguments: &SealArguments) -> Result<(), Failure> {
    let SealArguments { root: file, statements: list, output, json } = arguments;
    let bytes = files::read(list, statements::BYTES_MAX).or_fail(Exit::Usage, "")?;
    let listed = statements::decode(&bytes).or_fail(Exit::Usage, list.display())?;
    let progress = Progress::steps();
    progress.say("building the fold circuit");
    let folder = nodes::folder()?;
    let root = nodes::node(file)?;
    let found = folder.verify(&root).or_fail(Exit::Refused, format_args!("{} does not hold", file.display()))?;
    let statements = batch_statements(&folder, &listed).or_fail(Exit::Failed, "the null statement")?;
    let leaves: Vec<_> = statements.iter().map(Statement::leaf).collect();
    if statement::root(&leaves) != Some(found.statements_root) || leaves.len() != found.count as usize {
        let (root, list) = (file.display(), list.display());
        return Err(Failure::new(Exit::Refused, format!("{root} is not the root of the statements in {list}")));
    }
    let sealed = seal(&folder, &root, &statements, &SealLayers::PRODUCTION, &mut |what| progress.say(what))?;
    input::write(output, &sealed.bytes)?;
    progress.finish();
    let (root, key) = (format!("0x{}", hex::encode(sealed.claim.root)), format!("0x{}", hex::encode(sealed.key)));
    let (count, capacity) = (sealed.claim.count, sealed.capacity.statements());
    print_result(if *json {
        json!({
            "seal": output,
            "statements_root": root,
            "count": count,
            "capacity": capacity,
            "seal_bytes": sealed.bytes.len(),
            "seal_key": key,
            "proven_bits": sealed.proven_bits,
            "wall_s": text::seconds(sealed.wall()),
            "build_s": text::seconds(sealed.build),
            "steps_s": sealed.steps(),
        })
        .to_string()
    } else {
        let rows = [
            ("seal", format!("{}, {}", output.display(), text::bytes(sealed.bytes.len() as u64))),
            ("statements root", format!("{root} (Keccak)")),
            ("statements", format!("{count} of at most {capacity}")),
            ("seal key", key),
            ("proven", text::bits(sealed.proven_bits)),
            (
                "took",
                format!("{:.1} s, and {:.1} s to build", text::seconds(sealed.wall()), text::seconds(sealed.build)),
            ),
        ];
        text::table(&rows.map(|(name, value)| vec![name.to_owned(), value]))
    })
}

//! `sinter firmware`: a machine's settings, over its BMC; and what only the machine itself can tell.

mod password;

use crate::exit::{Exit, Failure, OrFail, print_result};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use sinter_firmware::{
    FirmwareError,
    apply::{self, Applied, ResetKind},
    catalog::Catalog,
    certificate::Certificate,
    host::{self, Programs},
    journal::{Journal, Rollback},
    plan::{self, Change, Plan},
    profile::Profile,
    redfish::{
        client::{Access, Authentication, Client},
        machine::Machine,
    },
    report,
    vendor::VendorMap,
};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

/// Longest file of certificates.
const AUTHORITY_BYTES_MAX: u64 = 1 << 20;

/// `sinter firmware …`.
#[derive(Debug, Subcommand)]
pub enum FirmwareCommand {
    /// Print what a profile would change on a machine, what waits for a reset, and what cannot be done
    Plan(PlanArguments),
    /// Write what a profile wants, for the next reset; what was there is on the disk before
    Apply(ApplyArguments),
    /// Check that a machine is as a profile wants it
    Verify(PlanArguments),
    /// Print how a machine differs from a profile as Prometheus metrics, or write them for node_exporter
    Drift(DriftArguments),
    /// Put back what was there before an apply
    Rollback(RollbackArguments),
    /// Check this machine's GPUs and devices' firmware, and set what GPUs can be set to
    Host(HostArguments),
    /// List the profiles and the vendors' maps
    Profiles(CatalogArguments),
}

/// The BMC, and who asks.
#[derive(Debug, Args)]
pub struct BmcArguments {
    /// The BMC: https:// and its name or address
    #[arg(long, value_name = "URL", env = "SINTER_BMC")]
    pub bmc: String,
    /// The user there
    #[arg(long, value_name = "NAME", env = "SINTER_BMC_USER")]
    pub user: String,
    /// File with the password, that nobody else can read; without it the terminal asks
    #[arg(long, value_name = "FILE", env = "SINTER_BMC_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// How the user shows who they are
    #[arg(long, value_enum, default_value_t = Auth::Session)]
    pub auth: Auth,
    /// File with the certificates, in PEM, of which one signed the BMC's own; without it the system's are believed
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// How long a request may take
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout_s: u64,
    /// Which system, where the BMC has several
    #[arg(long, value_name = "ID")]
    pub system: Option<String>,
}

/// How a user shows who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// A session, which ends with the command
    Session,
    /// The password with each request
    Basic,
}

/// Which profiles there are.
#[derive(Debug, Args)]
pub struct CatalogArguments {
    /// Folder with profiles/ and vendors/ of your own, which win over the program's
    #[arg(long, value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
}

/// What is wanted.
#[derive(Debug, Args)]
pub struct ProfileArguments {
    /// A profile's name, or the path of its .toml file
    #[arg(long, value_name = "NAME|FILE", default_value = "generic")]
    pub profile: String,
    /// Which there are.
    #[command(flatten)]
    pub catalog: CatalogArguments,
}

/// `sinter firmware plan` and `verify`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The BMC.
    #[command(flatten)]
    pub bmc: BmcArguments,
    /// What is wanted.
    #[command(flatten)]
    pub profile: ProfileArguments,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What holds for everything that writes.
#[derive(Debug, Args)]
pub struct WriteArguments {
    /// Folder of the rollback files and of the audit log
    #[arg(long, value_name = "DIR", default_value = "/var/lib/sinter/firmware", env = "SINTER_FIRMWARE_DIR")]
    pub state_dir: PathBuf,
    /// Print the plan, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do what can be done although something that is required cannot
    #[arg(long)]
    pub partial: bool,
    /// Reset the machine then, and wait until everything is in force
    #[arg(long, value_enum, value_name = "HOW")]
    pub reset: Option<Reset>,
    /// How long to wait for that
    #[arg(long, value_name = "N", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=7200))]
    pub wait_s: u64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// How a machine is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reset {
    /// The system is asked to shut down first
    Graceful,
    /// At once
    Forced,
}

/// `sinter firmware apply`.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// The BMC.
    #[command(flatten)]
    pub bmc: BmcArguments,
    /// What is wanted.
    #[command(flatten)]
    pub profile: ProfileArguments,
    /// How it is written.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// `sinter firmware rollback`.
#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// The file that an apply named
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The BMC.
    #[command(flatten)]
    pub bmc: BmcArguments,
    /// Which maps there are.
    #[command(flatten)]
    pub catalog: CatalogArguments,
    /// How it is written.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// `sinter firmware drift`.
#[derive(Debug, Args)]
pub struct DriftArguments {
    /// The BMC.
    #[command(flatten)]
    pub bmc: BmcArguments,
    /// What is wanted.
    #[command(flatten)]
    pub profile: ProfileArguments,
    /// Write the metrics to this file, whole or not at all, instead of printing them
    #[arg(long, value_name = "FILE.prom")]
    pub metrics_file: Option<PathBuf>,
    /// Print one JSON object as well
    #[arg(long)]
    pub json: bool,
}

/// `sinter firmware host`.
#[derive(Debug, Args)]
pub struct HostArguments {
    /// What is wanted.
    #[command(flatten)]
    pub profile: ProfileArguments,
    /// Set the GPUs to what the profile wants
    #[arg(long)]
    pub apply: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Carries the command out.
///
/// # Errors
/// With [`Exit::Refused`] when a machine was checked and is not as it should be.
pub fn run(command: &FirmwareCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    runtime.block_on(async {
        match command {
            FirmwareCommand::Plan(arguments) => show(arguments, false).await,
            FirmwareCommand::Verify(arguments) => show(arguments, true).await,
            FirmwareCommand::Apply(arguments) => apply(arguments).await,
            FirmwareCommand::Rollback(arguments) => rollback(arguments).await,
            FirmwareCommand::Drift(arguments) => drift(arguments).await,
            FirmwareCommand::Host(arguments) => on_host(arguments).await,
            FirmwareCommand::Profiles(arguments) => profiles(arguments),
        }
    })
}

/// An error as this command ends with it: wrong input ends otherwise than a BMC that does not do what it should.
fn failure(error: &FirmwareError) -> Failure {
    use FirmwareError as E;
    let exit = match error {
        E::Read { .. }
        | E::Invalid { .. }
        | E::UnknownProfile { .. }
        | E::Address { .. }
        | E::SeveralSystems { .. }
        | E::UnknownSystem { .. }
        | E::WrongVendor { .. }
        | E::OtherMachine { .. } => Exit::Usage,
        E::Impossible { .. } | E::NotInForce { .. } => Exit::Refused,
        _ => Exit::Failed,
    };
    Failure::because(exit, "", error)
}

fn catalog(arguments: &CatalogArguments) -> Result<Catalog, Failure> {
    let loaded = arguments.config_dir.as_deref().map_or_else(Catalog::shipped, Catalog::with);
    loaded.map_err(|error| failure(&error))
}

/// What is wanted, read before anybody is connected to.
struct Wanted {
    catalog: Catalog,
    profile: Profile,
    certificates: Vec<Certificate>,
}

impl Wanted {
    fn new(arguments: &ProfileArguments) -> Result<Self, Failure> {
        let catalog = catalog(&arguments.catalog)?;
        let profile = catalog.profile(&arguments.profile).map_err(|error| failure(&error))?;
        let certificates: Result<_, _> = profile.certificates.iter().map(Certificate::read).collect();
        Ok(Self { catalog, certificates: certificates.map_err(|error| failure(&error))?, profile })
    }

    /// The machine, and the plan for it.
    async fn plan(&self, client: &Client, system: Option<&str>) -> Result<(Machine, &VendorMap, Plan), FirmwareError> {
        let machine = Machine::read(client, system).await?;
        let map = self.catalog.map(&self.profile, &machine.maker)?;
        let plan = plan::plan(&self.profile, &self.certificates, map, &machine);
        Ok((machine, map, plan))
    }
}

/// Connects, works, and ends the session whatever came of it.
async fn with_bmc<T>(
    arguments: &BmcArguments,
    work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let authority = match &arguments.ca {
        Some(file) => Some(password::bounded(file, AUTHORITY_BYTES_MAX)?),
        None => None,
    };
    let access = Access {
        url: arguments.bmc.clone(),
        user: arguments.user.clone(),
        password: password::read(arguments.password_file.as_deref(), &arguments.user)?,
        authentication: match arguments.auth {
            Auth::Session => Authentication::Session,
            Auth::Basic => Authentication::Basic,
        },
        authority,
        timeout: Duration::from_secs(arguments.timeout_s),
    };
    let client = Client::open(access).await.map_err(|error| failure(&error))?;
    let done = work(&client).await;
    if let Err(error) = client.close().await {
        eprintln!("warning: the session stays open until the BMC ends it: {error}");
    }
    done
}

async fn show(arguments: &PlanArguments, verify: bool) -> Result<(), Failure> {
    let wanted = Wanted::new(&arguments.profile)?;
    let (machine, plan) = with_bmc(&arguments.bmc, async |client| {
        let planned = wanted.plan(client, arguments.bmc.system.as_deref()).await.map_err(|error| failure(&error))?;
        Ok((planned.0, planned.2))
    })
    .await?;
    if arguments.json {
        print_result(report::as_json(&machine, &arguments.bmc.bmc, &plan))?;
    } else {
        print_result(report::text(&machine.title(), &plan))?;
    }
    if verify && !plan.holds() {
        let message = format!("the machine is not as profile {:?} wants it", plan.profile);
        return Err(Failure::new(Exit::Refused, message));
    }
    Ok(())
}

async fn apply(arguments: &ApplyArguments) -> Result<(), Failure> {
    let wanted = Wanted::new(&arguments.profile)?;
    with_bmc(&arguments.bmc, async |client| {
        let system = arguments.bmc.system.as_deref();
        let (machine, map, plan) = wanted.plan(client, system).await.map_err(|error| failure(&error))?;
        let again = |machine: &Machine| plan::plan(&wanted.profile, &wanted.certificates, map, machine);
        let order = Order { client, machine: &machine, plan: &plan, say_on_reset: map.say_on_reset };
        order.carry_out(&arguments.bmc.bmc, &arguments.write, again).await
    })
    .await
}

async fn rollback(arguments: &RollbackArguments) -> Result<(), Failure> {
    let catalog = catalog(&arguments.catalog)?;
    let rollback = Rollback::read(&arguments.file).map_err(|error| failure(&error))?;
    let Some(map) = catalog.vendors().find(|map| map.name == rollback.map) else {
        let message = format!(
            "{}: no map {:?}: give the folder that has it with --config-dir",
            arguments.file.display(),
            rollback.map
        );
        return Err(Failure::new(Exit::Usage, message));
    };
    with_bmc(&arguments.bmc, async |client| {
        let read = Machine::read(client, arguments.bmc.system.as_deref()).await;
        let machine = read.map_err(|error| failure(&error))?;
        rollback.check(&machine).map_err(|error| failure(&error))?;
        let again =
            |machine: &Machine| plan::rollback_plan(&rollback.profile, &rollback.map, &rollback.changes, machine);
        let plan = again(&machine);
        let order = Order { client, machine: &machine, plan: &plan, say_on_reset: map.say_on_reset };
        order.carry_out(&arguments.bmc.bmc, &arguments.write, again).await
    })
    .await
}

/// A plan that is about to be carried out.
struct Order<'a> {
    client: &'a Client,
    machine: &'a Machine,
    plan: &'a Plan,
    say_on_reset: bool,
}

impl Order<'_> {
    async fn carry_out(
        &self,
        bmc: &str,
        arguments: &WriteArguments,
        again: impl Fn(&Machine) -> Plan,
    ) -> Result<(), Failure> {
        let Self { client, machine, plan, say_on_reset } = *self;
        if !arguments.json {
            print_result(report::text(&machine.title(), plan))?;
        }
        if arguments.dry_run {
            let mut object = report::as_json(machine, bmc, plan);
            object["applied"] = json!(null);
            return if arguments.json { print_result(object) } else { print_result("dry run: nothing was written") };
        }
        let failed = |error: FirmwareError| failure(&error);
        let journal = Journal::open(&arguments.state_dir, client.address(), machine, &actor()).map_err(failed)?;
        let applied = apply::apply(client, machine, plan, say_on_reset, arguments.partial, &journal).await;
        let applied = applied.map_err(failed)?;
        if !arguments.json {
            print_result(told(&applied, plan, arguments.reset.is_some()))?;
        }
        let mut holds = plan.holds();
        if let Some(reset) = arguments.reset.filter(|_| plan.unfinished().next().is_some()) {
            let kind = match reset {
                Reset::Graceful => ResetKind::Graceful,
                Reset::Forced => ResetKind::Forced,
            };
            apply::reset(client, machine, kind, &journal).await.map_err(failed)?;
            let wait = Duration::from_secs(arguments.wait_s);
            let machine = apply::wait_until_in_force(client, &machine.id, wait, &again).await.map_err(failed)?;
            holds = again(&machine).holds();
            if !arguments.json {
                print_result("everything that was written is in force")?;
            }
        }
        if arguments.json {
            let mut object = report::as_json(machine, bmc, plan);
            object["applied"] = json!(applied);
            object["holds"] = json!(holds);
            print_result(object)?;
        }
        Ok(())
    }
}

/// What was done, and what comes next.
fn told(applied: &Applied, plan: &Plan, resets: bool) -> String {
    let mut lines = Vec::new();
    if applied.changes.is_empty() {
        lines.push("nothing had to be written".to_owned());
    }
    if let Some(file) = &applied.rollback {
        let attributes = applied.changes.iter().filter(|change| matches!(change, Change::Attribute { .. })).count();
        lines.push(format!("{} written, {attributes} of them BIOS attributes", applied.changes.len()));
        lines.push(format!("what was there before: {}", file.display()));
    }
    lines.extend(applied.tasks.iter().map(|task| format!("the BMC's job: {task}")));
    if !resets && plan.unfinished().next().is_some() {
        lines.push(
            "what is not in force yet comes into force at the machine's next reset; --reset graceful does it now"
                .into(),
        );
    }
    lines.join("\n")
}

/// Who is written into the audit log.
fn actor() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

async fn drift(arguments: &DriftArguments) -> Result<(), Failure> {
    let wanted = Wanted::new(&arguments.profile)?;
    let read = with_bmc(&arguments.bmc, async |client| {
        let planned = wanted.plan(client, arguments.bmc.system.as_deref()).await.map_err(|error| failure(&error))?;
        Ok((planned.0, planned.2))
    })
    .await;
    let text = report::metrics(read.as_ref().ok().map(|(_, plan)| plan));
    match &arguments.metrics_file {
        Some(file) => replace(file, &text).or_fail(Exit::Usage, format_args!("--metrics-file: {}", file.display()))?,
        None if !arguments.json => print_result(text.trim_end())?,
        None => {}
    }
    let (machine, plan) = read?;
    if arguments.json {
        print_result(report::as_json(&machine, &arguments.bmc.bmc, &plan))?;
    }
    Ok(())
}

/// Puts a file in place of another, so that a collector sees the old one or the new one.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    // The collector is another user.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(new.path(), mode)?;
    new.persist(file)?;
    Ok(())
}

/// What of this machine, its GPUs and their firmware, is not as a profile wants it.
///
/// # Errors
/// When there is no such profile, or a program that it needs does not answer.
pub async fn host_drift(profile: &str) -> Result<Vec<String>, Failure> {
    let catalog = CatalogArguments { config_dir: None };
    let wanted = Wanted::new(&ProfileArguments { profile: profile.to_owned(), catalog })?;
    let plan = host::plan(&wanted.profile, &Programs::default()).await.map_err(|error| failure(&error))?;
    let changes = plan.changes().map(ToString::to_string);
    Ok(changes.chain(plan.blockers()).collect())
}

async fn on_host(arguments: &HostArguments) -> Result<(), Failure> {
    let wanted = Wanted::new(&arguments.profile)?;
    let programs = Programs::default();
    let failed = |error: FirmwareError| failure(&error);
    let mut plan = host::plan(&wanted.profile, &programs).await.map_err(failed)?;
    if !arguments.json {
        print_result(report::text("this machine", &plan))?;
    }
    if arguments.apply && plan.changes().next().is_some() {
        host::apply(&plan, &programs).await.map_err(failed)?;
        plan = host::plan(&wanted.profile, &programs).await.map_err(failed)?;
        if !arguments.json {
            print_result(report::text("this machine, then", &plan))?;
        }
    }
    if arguments.json {
        print_result(json!({ "holds": plan.holds(), "plan": plan }))?;
    }
    if plan.holds() {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, format!("this machine is not as profile {:?} wants it", plan.profile)))
}

fn profiles(arguments: &CatalogArguments) -> Result<(), Failure> {
    let catalog = catalog(arguments)?;
    let mut lines = Vec::new();
    let names: Vec<_> = catalog.profiles().collect();
    for name in names {
        let profile = catalog.profile(name).map_err(|error| failure(&error))?;
        lines.push(format!("profile  {name:<12} {}", profile.about));
    }
    lines.extend(catalog.vendors().map(|map| format!("map      {:<12} {}", map.name, map.about)));
    print_result(lines.join("\n"))
}

//! Parameters change slowly, within bounds, and by nobody once the role is given up.

use super::fixture::{DAY, EXIT_DELAY, GOVERNOR, Registry, STAKE_MIN, TIMELOCK, TRUSTING_PERIOD, account, parameters};
use crate::suite::{Suite, both};
use alloy::primitives::{Address, FixedBytes, U256, Uint};
use sinter_settlement::registry::{Genesis, Parameters, contract::CommitteeRegistry as Contract, creation_code};

fn out_of_range(parameter: &str, minimum: u128, maximum: u128, got: u128) -> Contract::ParameterOutOfRange {
    let mut name = FixedBytes::<32>::ZERO;
    name[..parameter.len()].copy_from_slice(parameter.as_bytes());
    let [minimum, maximum, got] = [minimum, maximum, got].map(U256::from);
    Contract::ParameterOutOfRange { parameter: name, minimum, maximum, got }
}

async fn bounds(suite: &mut Suite) {
    let seconds = |seconds: u64| Uint::from(seconds);
    let day = u128::from(DAY);
    let most = (1u128 << 96) - 1;
    let (trusting, timelock) = (u128::from(TRUSTING_PERIOD), u128::from(TIMELOCK));
    // Whoever is believed last has as long to answer for it as everybody; and the slowest exit is faster than a change.
    let (escape_min, escape_max) = (u128::from(EXIT_DELAY) + trusting + 7 * day, timelock - 7 * day);
    let p = parameters;
    let wrong: Vec<(Parameters, Contract::ParameterOutOfRange)> = vec![
        (Parameters { stakeMin: 0, ..p() }, out_of_range("stakeMin", 1, most, 0)),
        (Parameters { stakeMin: 1 << 96, ..p() }, out_of_range("stakeMin", 1, most, 1 << 96)),
        (Parameters { registrantsMax: 0, ..p() }, out_of_range("registrantsMax", 1, 16_384, 0)),
        (Parameters { registrantsMax: 16_385, ..p() }, out_of_range("registrantsMax", 1, 16_384, 16_385)),
        (Parameters { epochsAhead: 2, ..p() }, out_of_range("epochsAhead", 3, 64, 2)),
        (Parameters { epochsAhead: 65, ..p() }, out_of_range("epochsAhead", 3, 64, 65)),
        (Parameters { slashBasisPoints: 0, ..p() }, out_of_range("slashBasisPoints", 1, 10_000, 0)),
        (Parameters { slashBasisPoints: 10_001, ..p() }, out_of_range("slashBasisPoints", 1, 10_000, 10_001)),
        (Parameters { rewardBasisPoints: 1_001, ..p() }, out_of_range("rewardBasisPoints", 0, 1_000, 1_001)),
        // Who could still be believed could still be slashed.
        (
            Parameters { exitDelay: seconds(TRUSTING_PERIOD - 1), ..p() },
            out_of_range("exitDelay", trusting, timelock, trusting - 1),
        ),
        (
            Parameters { exitDelay: seconds(TIMELOCK + 1), ..p() },
            out_of_range("exitDelay", trusting, timelock, timelock + 1),
        ),
        (
            Parameters { escapeDelay: seconds(EXIT_DELAY), ..p() },
            out_of_range("escapeDelay", escape_min, escape_max, u128::from(EXIT_DELAY)),
        ),
        (
            Parameters { escapeDelay: seconds(TIMELOCK - 7 * DAY + 1), ..p() },
            out_of_range("escapeDelay", escape_min, escape_max, escape_max + 1),
        ),
    ];
    let registry = Registry::new(suite).await;
    let light_client = registry.light_client;
    let genesis = |timelock_s, parameters| {
        creation_code(&Genesis { light_client, governor: account(GOVERNOR), timelock_s, parameters })
    };
    for got in [7 * DAY - 1, 365 * DAY + 1] {
        let refusal = out_of_range("timelock", 7 * day, 365 * day, u128::from(got));
        suite.refuses_to_deploy("a timelock", genesis(got, parameters()), refusal).await;
    }
    suite.act_as(GOVERNOR);
    for (wrong, refusal) in wrong {
        suite.refuses_to_deploy("parameters", genesis(TIMELOCK, wrong.clone()), refusal.clone()).await;
        suite.refuses("propose", registry.address, &Contract::proposeCall { parameters_: wrong }, refusal).await;
    }
}

async fn changing(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    assert_eq!(suite.reads(at, &Contract::parametersCall {}).await, parameters());
    let raised = Parameters { stakeMin: 2 * STAKE_MIN, evidence: account(7), ..parameters() };
    let propose = || Contract::proposeCall { parameters_: raised.clone() };
    let (enact, take_back) = (Contract::enactCall {}, Contract::withdrawProposalCall {});

    let stranger = suite.act_as(1);
    let not_governor = || Contract::NotGovernor { expected: account(GOVERNOR), got: stranger };
    suite.refuses("a stranger proposes", at, &propose(), not_governor()).await;
    suite.refuses("a stranger takes back", at, &take_back, not_governor()).await;
    let hand_over = Contract::transferGovernanceCall { to: stranger };
    suite.refuses("a stranger takes the role", at, &hand_over, not_governor()).await;
    suite.refuses("a stranger ends it", at, &Contract::renounceCall {}, not_governor()).await;
    let nothing = || Contract::NothingProposed {};
    suite.refuses("enact nothing", at, &enact, nothing()).await;

    // A proposal waits; another one waits anew; one that is taken back is gone.
    suite.act_as(GOVERNOR);
    suite.refuses("take back nothing", at, &take_back, nothing()).await;
    suite.accepts("propose", at, &propose()).await;
    suite.l1.pass(TIMELOCK - DAY).await;
    suite.accepts("propose anew", at, &propose()).await;
    suite.l1.pass(2 * DAY).await;
    let pending = suite.reads(at, &Contract::proposalCall {}).await;
    assert_eq!(pending.proposed, raised);
    suite.refuses("too early", at, &enact, Contract::ProposalPending { readyAt: pending.readyAt }).await;
    suite.accepts("take back", at, &take_back).await;
    suite.l1.pass(TIMELOCK).await;
    suite.refuses("enact what is gone", at, &enact, nothing()).await;
    suite.accepts("propose once more", at, &propose()).await;

    // Whoever does not like it can be out before: the escape delay is the shorter one.
    suite.l1.pass(TIMELOCK).await;
    assert_eq!(suite.reads(at, &Contract::parametersCall {}).await, parameters(), "until somebody enacts it");
    suite.act_as(1);
    suite.accepts("anybody enacts", at, &enact).await;
    assert_eq!(suite.reads(at, &Contract::parametersCall {}).await, raised);
    suite.refuses("twice", at, &enact, nothing()).await;
    let minimum = U256::from(2 * STAKE_MIN);
    let below = Contract::BelowMinimum { minimum, got: minimum - U256::ONE };
    let call = alloy::sol_types::SolCall::abi_encode(&registry.registration(1, 1));
    suite.refuses_paid("the minimum is another", at, call.into(), minimum - U256::ONE, below).await;

    // The role goes to another one, and to nobody.
    suite.act_as(GOVERNOR);
    let nobody = Contract::transferGovernanceCall { to: Address::ZERO };
    let refusal = Contract::NotGovernor { expected: account(GOVERNOR), got: Address::ZERO };
    suite.refuses("to nobody by mistake", at, &nobody, refusal).await;
    suite.accepts("hand over", at, &hand_over).await;
    let refusal = Contract::NotGovernor { expected: stranger, got: account(GOVERNOR) };
    suite.refuses("the one before", at, &propose(), refusal).await;
    suite.act_as(1);
    suite.accepts("renounce", at, &Contract::renounceCall {}).await;
    let refusal = Contract::NotGovernor { expected: Address::ZERO, got: stranger };
    suite.refuses("nobody", at, &propose(), refusal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_have_bounds() {
    both(bounds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_change_slowly() {
    both(changing).await;
}

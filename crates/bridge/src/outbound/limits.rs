//! Limits against fraud, between the policy and the route: what an organization, an organizer or a
//! destination may cost and how fast. None is set here yet; the place in the order is.

use model::E164;

use crate::directory::Hosted;
use crate::outbound::Denied;

/// Decides whether the budgets of a meeting's organization and organizer let one more call leave.
///
/// # Errors
/// The budget that is spent.
pub(crate) fn within(_host: &Hosted, _called: &E164) -> Result<(), Denied> {
    Ok(())
}

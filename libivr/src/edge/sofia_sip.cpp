#include "edge/sofia_sip.hpp"

#include <utility>

#include "edge/sofia_stack.hpp"

namespace ivr {

SofiaSip::SofiaSip(const EarlyRefusalOptions& early_refusal)
    : stack_(std::make_unique<SofiaStack>(early_refusal)) {}
SofiaSip::~SofiaSip() = default;

absl::Status SofiaSip::start(const SipOptions& options, Sink sink) {
  return stack_->start(options, std::move(sink));
}
Address SofiaSip::local_address() const { return stack_->local(); }
void SofiaSip::run(Micros wait) { stack_->run(wait); }
void SofiaSip::wake() noexcept { stack_->wake(); }
void SofiaSip::set_external_ip(const std::string& ip) { stack_->set_external_ip(ip); }
LegId SofiaSip::invite(const sip::Invite& request) { return stack_->invite(request); }
void SofiaSip::ring(LegId leg, int status, std::optional<std::string> sdp) {
  stack_->ring(leg, status, std::move(sdp));
}
void SofiaSip::answer(LegId leg, std::string sdp) { stack_->answer(leg, std::move(sdp)); }
void SofiaSip::reject(LegId leg, int status, std::string reason, std::optional<Millis> retry_after) {
  stack_->reject(leg, status, std::move(reason), retry_after);
}
void SofiaSip::offer(LegId leg, std::string sdp) { stack_->offer(leg, std::move(sdp)); }
void SofiaSip::accept_offer(LegId leg, std::string sdp) { stack_->accept_offer(leg, std::move(sdp)); }
void SofiaSip::refuse_offer(LegId leg, int status) { stack_->refuse_offer(leg, status); }
void SofiaSip::refer(LegId leg, std::string target, LegId replaces) {
  stack_->refer(leg, std::move(target), replaces);
}
void SofiaSip::accept_refer(LegId leg) { stack_->accept_refer(leg); }
void SofiaSip::refuse_refer(LegId leg, int status) { stack_->refuse_refer(leg, status, {}); }
void SofiaSip::refuse_refer(LegId leg, int status, const std::string& reason) {
  stack_->refuse_refer(leg, status, reason);
}
void SofiaSip::notify_refer(LegId leg, int status) { stack_->notify_refer(leg, status); }
std::uint64_t SofiaSip::enrol(const sip::Enrol& enrolment) { return stack_->enrol(enrolment); }
void SofiaSip::withdraw(std::uint64_t enrolment) { stack_->withdraw(enrolment); }
void SofiaSip::hang_up(LegId leg, std::string reason) { stack_->hang_up(leg, std::move(reason)); }
void SofiaSip::stop() { stack_->stop(); }
std::size_t SofiaSip::open_legs() const { return stack_->open_legs(); }

std::string SofiaSip::contact_for(const std::string& peer_ip) const {
  return stack_->far_contact(peer_ip, false);
}

std::unique_ptr<SipPort> make_sofia_sip(const EarlyRefusalOptions& early_refusal) {
  return std::make_unique<SofiaSip>(early_refusal);
}

}  // namespace ivr

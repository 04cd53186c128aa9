#pragma once
#include <cstddef>
#include <memory>

#include "core/early_refusal.hpp"
#include "ivr/ports.hpp"

namespace ivr {

class SofiaStack;

// SipPort over sofia-sip's NUA, without its SDP engine: bodies go through untouched, offer/answer is the
// caller's. Dialogs, transactions, PRACK, REFER and session timers are the library's, digest is ours. What
// NUA gets wrong, or what can stop a server, is closed here: see sofia_guard.hpp.
//
// With SipOptions::users it is a registrar too: it takes REGISTER from them, and asks callers who claim to be
// one of them, at an address of ours, for the password. Who errs often is not listened to for a minute.
//
// Calls that come by UDP faster than they can be served are refused early, and told as sip::Refused; those
// that are up are served however late.
//
// It does not resolve media, and refuses every method that an IVR has no use for (405).
//
// Thread:   start(), run(), stop() and all requests from one at a time; wake() from any. Another thread may
//           take over between two calls. Several objects in one process do not know of each other.
// Times:    run() rounds its wait up to a whole millisecond, the stack's clock.
class SofiaSip final : public SipPort {
 public:
  explicit SofiaSip(const EarlyRefusalOptions& early_refusal = {});
  ~SofiaSip() override;  // stops

  absl::Status start(const SipOptions& options, Sink sink) override;
  Address local_address() const override;
  void run(Micros wait) override;
  void wake() noexcept override;
  void set_external_ip(const std::string& ip) override;

  LegId invite(const sip::Invite& request) override;
  void ring(LegId leg, int status, std::optional<std::string> sdp) override;
  void answer(LegId leg, std::string sdp) override;
  void reject(LegId leg, int status, std::string reason, std::optional<Millis> retry_after) override;
  void offer(LegId leg, std::string sdp) override;
  void accept_offer(LegId leg, std::string sdp) override;
  void refuse_offer(LegId leg, int status) override;
  void refer(LegId leg, std::string target, LegId replaces = 0) override;
  void accept_refer(LegId leg) override;
  void refuse_refer(LegId leg, int status) override;
  void refuse_refer(LegId leg, int status, const std::string& reason) override;
  void notify_refer(LegId leg, int status) override;
  std::uint64_t enrol(const sip::Enrol& enrolment) override;
  void withdraw(std::uint64_t enrolment) override;
  void hang_up(LegId leg, std::string reason) override;
  void stop() override;

  std::size_t open_legs() const;  // legs whose Ended is still to come

  // The Contact that a peer at that address is told: empty for a near one, which is told where we listen.
  std::string contact_for(const std::string& peer_ip) const;

 private:
  std::unique_ptr<SofiaStack> stack_;
};

std::unique_ptr<SipPort> make_sofia_sip(const EarlyRefusalOptions& early_refusal = {});

}  // namespace ivr

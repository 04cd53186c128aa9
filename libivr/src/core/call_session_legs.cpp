#include <utility>

#include "ivr/call_session.hpp"

// Leg 0 and the legs a call dials itself: connecting them, and what follows when one ends.

namespace ivr {
namespace {

outcome::TransferEnd transfer_end(int status) {
  switch (status) {
    case 486:
    case 600: return outcome::TransferEnd::busy;
    case 408:
    case 480:
    case 487: return outcome::TransferEnd::no_answer;
    case 403:
    case 603:
    case 607: return outcome::TransferEnd::rejected;
    default: return outcome::TransferEnd::failed;
  }
}

}  // namespace

void CallSession::begin_transfer(const intent::Transfer& want) {
  auto& transfer = operation_.emplace<Transferring>();
  transfer.want = want;
  if (want.refer) {
    transfer.leg = 0;
    transfer.phase = Transferring::Phase::referring;
    out_->push_back(command::Refer{want.uri});
    return arm(want.ring_limit);
  }
  transfer.leg = next_leg_++;
  out_->push_back(
      command::Dial{transfer.leg, want.uri, want.caller_id.empty() ? call_.caller_uri : want.caller_id});
  ring_back(transfer);
  arm(want.ring_limit);
}

void CallSession::ring_back(Transferring& transfer) {
  Prompts ringback = transfer.want.ringback;
  if (ringback.empty()) ringback.push_back({Prompt::Kind::tone, "ringback"});
  transfer.play = play(std::move(ringback), 0);
}

// The caller has heard ringback since we dialled. Where the far side asks for it he hears that instead; its
// word may change as long as it has not answered (RFC 5009, 8).
void CallSession::on_leg_ringing(const event::LegRinging& ringing) {
  auto* transfer = std::get_if<Transferring>(&operation_);
  if (transfer == nullptr || transfer->leg != ringing.leg ||
      transfer->phase != Transferring::Phase::dialing || !ringing.early) {
    return;
  }
  const auto heard = [](EarlyMedia early) {
    return early == EarlyMedia::sendrecv || early == EarlyMedia::sendonly;
  };
  const EarlyMedia wanted = heard(*ringing.early) ? *ringing.early : EarlyMedia::inactive;
  const EarlyMedia before = std::exchange(transfer->early, wanted);
  if (before == wanted) return;
  if (!heard(before)) stop_play(transfer->play);
  out_->push_back(command::EarlyMedia{transfer->leg, wanted});
  if (!heard(wanted)) ring_back(*transfer);
}

void CallSession::on_refer_progress(int status) {
  auto* transfer = std::get_if<Transferring>(&operation_);
  if (transfer == nullptr || transfer->phase != Transferring::Phase::referring || status < 200) return;
  end_transfer(*transfer, status < 300 ? outcome::TransferEnd::completed : transfer_end(status), status);
}

void CallSession::on_leg_answered(const event::LegAnswered& answered) {
  auto* transfer = std::get_if<Transferring>(&operation_);
  if (transfer == nullptr || transfer->leg != answered.leg ||
      transfer->phase != Transferring::Phase::dialing) {
    return;
  }
  stop_play(transfer->play);
  transfer->early = EarlyMedia::inactive;  // Connect is more than that
  transfer->phase = Transferring::Phase::talking;
  transfer->answered = now_;
  out_->push_back(command::Connect{transfer->leg});
  let_go(transfer->referrer);
  if (transfer->want.record && transfer->record == 0) {
    transfer->record = next_record_++;
    ++open_records_;
    out_->push_back(command::StartRecord{transfer->record, "transfer", true, Millis{0}, Millis{0},
                                         transfer->want.record_digits});
  }
  if (transfer->want.max_talk > Millis{0}) {
    arm(transfer->want.max_talk);
  } else {
    disarm();
  }
}

bool CallSession::talks_with(LegNumber leg) const {
  const auto* transfer = std::get_if<Transferring>(&operation_);
  return transfer != nullptr && transfer->leg == leg && transfer->phase == Transferring::Phase::talking;
}

// Leg 0 hears it ring again. How the transfer goes now is how it goes: the script hears of one.
void CallSession::on_leg_referred(const event::LegReferred& referred) {
  if (!talks_with(referred.leg)) return;
  auto& transfer = std::get<Transferring>(operation_);
  out_->push_back(command::EarlyMedia{transfer.leg, EarlyMedia::inactive});  // they hear each other no more
  transfer.result.talk += since(transfer.answered);
  transfer.phase = Transferring::Phase::dialing;
  transfer.referrer = std::exchange(transfer.leg, next_leg_++);
  out_->push_back(
      command::Dial{transfer.leg, referred.target,
                    transfer.want.caller_id.empty() ? call_.caller_uri : transfer.want.caller_id});
  ring_back(transfer);
  arm(transfer.want.ring_limit);
}

void CallSession::let_go(LegNumber& referrer) {
  if (referrer != 0) out_->push_back(command::Drop{std::exchange(referrer, 0), "transferred"});
}

void CallSession::on_leg_ended(const event::LegEnded& ended) {
  if (ended.leg != 0) {
    auto* transfer = std::get_if<Transferring>(&operation_);
    if (transfer != nullptr && transfer->referrer == ended.leg) transfer->referrer = 0;
    if (transfer == nullptr || transfer->leg != ended.leg || transfer->phase == Transferring::Phase::stopping)
      return;
    end_transfer(*transfer,
                 transfer->phase == Transferring::Phase::talking ? outcome::TransferEnd::completed
                                                                 : transfer_end(ended.status),
                 ended.status);
    return;
  }
  leg_up_ = false;
  if (state_ == State::ending) return;
  if (call_record_ != 0) out_->push_back(command::StopRecord{std::exchange(call_record_, 0)});
  summary_.ended_by = outcome::EndedBy::caller;
  summary_.reason = ended.reason;
  if (state_ != State::up) {  // it never was up: the script has not begun
    state_ = State::ending;
    if (call_.direction == Direction::outbound)
      outcome_ = outcome::Ended{outcome::EndedBy::caller, ended.reason};
    return;
  }
  auto* recording = std::get_if<Recording>(&operation_);
  if (recording != nullptr && recording->record != 0) {
    if (recording->phase == Recording::Phase::recording) {
      recording->phase = Recording::Phase::stopping;
      out_->push_back(command::StopRecord{recording->record});
    }
    state_ = State::ending;
    return;  // the script hears of it with the recording
  }
  leave();
}

void CallSession::end_transfer(Transferring& transfer, outcome::TransferEnd end, int status) {
  stop_play(transfer.play);
  disarm();
  if (std::exchange(transfer.early, EarlyMedia::inactive) != EarlyMedia::inactive)
    out_->push_back(command::EarlyMedia{transfer.leg, EarlyMedia::inactive});
  if (transfer.want.talk_on && transfer.referrer != 0 && transfer.phase == Transferring::Phase::dialing) {
    transfer.leg = std::exchange(transfer.referrer, 0);
    transfer.phase = Transferring::Phase::talking;
    transfer.answered = now_;
    out_->push_back(command::Connect{transfer.leg});
    if (transfer.want.max_talk > Millis{0}) arm(transfer.want.max_talk);
    return;
  }
  transfer.result.end = end;
  transfer.result.sip_status = status;
  if (transfer.phase == Transferring::Phase::talking) transfer.result.talk += since(transfer.answered);
  let_go(transfer.referrer);
  if (transfer.record != 0) {
    transfer.phase = Transferring::Phase::stopping;
    out_->push_back(command::StopRecord{transfer.record});
    return;
  }
  finish(transfer.result);
}

}  // namespace ivr

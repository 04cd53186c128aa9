#include "core/flow_model.hpp"

namespace ivr::flow {

std::string_view exit_name(ExitId exit) noexcept {
  switch (exit) {
    case ExitId::next: return "next";
    case ExitId::error: return "error";
    case ExitId::invalid: return "invalid";
    case ExitId::no_input: return "no_input";
    case ExitId::timeout: return "timeout";
    case ExitId::full: return "full";
    case ExitId::unavailable: return "unavailable";
    case ExitId::busy: return "busy";
    case ExitId::no_answer: return "no_answer";
    case ExitId::rejected: return "rejected";
    case ExitId::failed: return "failed";
    case ExitId::otherwise: return "else";
    case ExitId::open: return "open";
    case ExitId::closed: return "closed";
    case ExitId::emergency: return "emergency";
    case ExitId::transfer_failed: return "transfer_failed";
    case ExitId::refused: return "refused";
  }
  return "";
}

const std::vector<TypeRow>& type_rows() {
  using E = ExitId;
  using T = NodeType;
  static const std::vector<TypeRow> kRows = {
      {"welcome",
       T::welcome,
       "S0",
       "Greets, and sets the language: fixed, or chosen by key.",
       true,
       false,
       false,
       {E::next, E::error}},
      {"play",
       T::play,
       "S0",
       "Says prompts, once or several times.",
       true,
       false,
       false,
       {E::next, E::error}},
      {"menu",
       T::menu,
       "S0",
       "Asks for a key, or keys that fit a pattern; each is an exit.",
       true,
       true,
       false,
       {E::invalid, E::no_input, E::error}},
      {"queue",
       T::queue,
       "S0",
       "Waits in a queue until an agent talks to the caller.",
       true,
       true,
       false,
       {E::next, E::timeout, E::full, E::unavailable, E::transfer_failed, E::error}},
      {"transfer",
       T::transfer,
       "S0",
       "Connects the caller with a SIP address, or with an agent chosen by a strategy.",
       true,
       true,
       false,
       {E::next, E::busy, E::no_answer, E::rejected, E::failed, E::error}},
      {"record", T::record, "S0", "Records the caller.", true, true, false, {E::next, E::error}},
      {"decision",
       T::decision,
       "S0",
       "Takes the exit of the first case that holds.",
       false,
       false,
       true,
       {E::otherwise, E::open, E::closed, E::emergency}},
      {"gather",
       T::gather,
       "S0",
       "Asks for digits, checks them and keeps them in a variable.",
       true,
       true,
       false,
       {E::next, E::invalid, E::no_input, E::error}},
      {"api",
       T::api,
       "S0",
       "Asks an HTTP service and maps its reply to variables.",
       true,
       false,
       true,
       {E::next, E::timeout, E::error}},
      {"hangup", T::hangup, "S0", "Says goodbye and ends the call.", false, false, true, {}},
      {"set", T::set, "S3", "Sets variables.", false, false, true, {E::next}},
      {"play_digits",
       T::play_digits,
       "S3",
       "Says a prefix, digits one by one, and a suffix.",
       true,
       false,
       false,
       {E::next, E::error}},
      {"play_sequence",
       T::play_sequence,
       "S3",
       "Says a list of prompts, numbers and digits.",
       true,
       false,
       false,
       {E::next, E::error}},
      {"wait", T::wait, "S3", "Waits a while in silence.", false, false, false, {E::next}},
      {"answer", T::answer, "S3", "Takes a call that began on early media.", false, false, false, {E::next}},
      {"send_digits",
       T::send_digits,
       "S3",
       "Sends keys to the far side.",
       true,
       false,
       false,
       {E::next, E::error}},
      {"callback",
       T::callback,
       "S2",
       "Keeps the caller's place in a queue and has him called back.",
       true,
       false,
       false,
       {E::next, E::error}},
      {"keywords",
       T::keywords,
       "S4",
       "Chooses a department by the words of a text.",
       false,
       false,
       true,
       {E::next}},
      {"agent_status",
       T::agent_status,
       "S2",
       "Logs an agent in or out, or pauses it.",
       true,
       false,
       true,
       {E::next, E::refused, E::error}},
  };
  return kRows;
}

const TypeRow& type_row(NodeType type) {
  for (const TypeRow& row : type_rows()) {
    if (row.type == type) return row;
  }
  return type_rows()[0];
}

const TypeRow* find_type(std::string_view name) {
  for (const TypeRow& row : type_rows()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

int key_index(char key) noexcept {
  constexpr std::string_view kKeys = "0123456789*#ABCD";
  const std::size_t at = kKeys.find(key);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace ivr::flow

#include <algorithm>
#include <string>

#include "core/flow_fields.hpp"
#include "core/flow_graph.hpp"
#include "core/flow_prompts.hpp"
#include "ivr/spoken.hpp"

// Numbers, money, dates and times that a language has no words for, and values that no language has.

namespace ivr::flow {

namespace {

const char* name_of(Piece::Kind kind) {
  switch (kind) {
    case Piece::Kind::number: return "a number";
    case Piece::Kind::money: return "money";
    case Piece::Kind::date: return "a date";
    case Piece::Kind::time: return "a time";
    case Piece::Kind::digits: return "digits";
    default: return "";
  }
}

// Of what has a variable in it only the currency is known.
absl::Status try_to_say(const Piece& piece, const std::string& language) {
  std::string currency;
  if (piece.kind == Piece::Kind::money) {
    if (!piece.currency.is_literal()) return absl::OkStatus();
    currency = piece.currency.literal();
  }
  if (piece.value.is_literal()) return speakable(piece.kind, piece.value.literal(), currency, language);
  return piece.kind == Piece::Kind::money ? speakable(piece.kind, "1", currency, language) : absl::OkStatus();
}

}  // namespace

void check_speech(const Graph& graph, std::vector<Finding>& findings) {
  const Model& model = graph.model;
  const auto known = spoken_languages();
  std::vector<std::string> first(
      model.languages.size());  // that says something the language has no rules for
  for (const Node& node : model.nodes) {
    bool told = false;
    for (const Say* say : says_of(node)) {
      for (std::size_t in = 0; in < say->in.size(); ++in) {
        for (const Piece& piece : say->in[in]) {
          if (*name_of(piece.kind) == '\0') continue;
          const std::size_t l = piece.language >= 0 ? static_cast<std::size_t>(piece.language) : in;
          const std::string& language = model.languages[l];
          const std::string_view primary = std::string_view(language).substr(0, language.find('-'));
          const bool ruled = std::find(known.begin(), known.end(), primary) != known.end();
          if (!ruled && piece.kind != Piece::Kind::digits && first[l].empty()) first[l] = node.name;
          const absl::Status status = told ? absl::OkStatus() : try_to_say(piece, language);
          if (status.ok()) continue;
          told = true;
          findings.push_back({"unspeakable", Severity::warning, node.pointer,
                              std::string(name_of(piece.kind)) + " that cannot be said in '" + language +
                                  "': " + std::string(status.message()) + "; the node always fails",
                              "mend the value: 2026-12-31, 18:30, 12.50 and \"USD\""});
        }
      }
    }
  }
  for (std::size_t l = 0; l < first.size(); ++l) {
    if (first[l].empty()) continue;
    findings.push_back(
        {"no-spoken-numbers", Severity::warning, "/languages/" + std::to_string(l),
         "'" + model.languages[l] + "' has no rules for spoken numbers, money, dates and times, and '" +
             first[l] + "' says one: its voice is given the figures",
         "listen to what the voice makes of them, or write prompts for that language without any"});
  }
}

}  // namespace ivr::flow

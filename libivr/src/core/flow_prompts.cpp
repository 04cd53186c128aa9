#include "core/flow_prompts.hpp"

#include <algorithm>

#include "ivr/spoken.hpp"

namespace ivr::flow {

namespace {

// The words of a value in a language. A language without rules of its own gets the value as it is written:
// its voice reads figures by itself.
absl::StatusOr<std::string> words(Piece::Kind kind, const std::string& value, const std::string& currency,
                                  const std::string& language) {
  const auto known = spoken_languages();
  const std::string_view primary = std::string_view(language).substr(0, language.find('-'));
  if (std::find(known.begin(), known.end(), primary) != known.end()) {
    switch (kind) {
      case Piece::Kind::number: return say_number(value, Grammar{.language = language});
      case Piece::Kind::digits: return say_digits(value, language);
      case Piece::Kind::money: return say_money(value, currency, language);
      case Piece::Kind::date: return say_date(value, language);
      case Piece::Kind::time: return say_time(value, language);
      default: break;
    }
  }
  if (value.empty()) return absl::InvalidArgumentError("an empty value cannot be spoken");
  if ((kind == Piece::Kind::number || kind == Piece::Kind::money) && !number(std::string_view(value))) {
    return absl::InvalidArgumentError("'" + value + "' is no number");
  }
  return kind == Piece::Kind::money ? value + " " + currency : value;
}

}  // namespace

absl::Status speakable(Piece::Kind kind, const std::string& value, const std::string& currency,
                       const std::string& language) {
  if (kind != Piece::Kind::digits) return words(kind, value, currency, language).status();
  for (const char c : value) {
    if (c == ' ' || c == '-') continue;
    if (const auto one = words(kind, std::string(1, c), {}, language); !one.ok()) return one.status();
  }
  return absl::OkStatus();
}

absl::Status render(const Model& model, const Say& say, int language, Reader& reader, Prompts& out) {
  if (say.empty()) return absl::OkStatus();
  std::string mark;  // of the next prompt
  for (const Piece& piece : say.in[static_cast<std::size_t>(language)]) {
    const bool secret_before = std::exchange(reader.secret, false);
    const int l = piece.language >= 0 ? piece.language : language;
    Prompt p;
    p.length = piece.length;
    std::string value;
    piece.value.render(reader, Escape::none, value);
    p.secret = reader.secret;
    const auto speaks = [&] {
      p.language = model.languages[static_cast<std::size_t>(l)];
      p.voice = piece.voice.empty() ? model.voices[static_cast<std::size_t>(l)] : piece.voice;
    };
    absl::Status status;
    const std::size_t before = out.size();
    switch (piece.kind) {
      case Piece::Kind::mark: mark = std::move(value); break;
      case Piece::Kind::text:
        speaks();
        p.value = std::move(value);
        if (!p.value.empty()) out.push_back(std::move(p));
        break;
      case Piece::Kind::file:
        p.kind = Prompt::Kind::file;
        // A value may name a file, never a way out of the prompt folder.
        if (value.empty() || value.find("..") != std::string::npos || value[0] == '/') {
          status = absl::InvalidArgumentError("'" + value + "' is no file of the prompt folder");
        }
        p.value = std::move(value);
        out.push_back(std::move(p));
        break;
      case Piece::Kind::silence:
        p.kind = Prompt::Kind::silence;
        out.push_back(std::move(p));
        break;
      case Piece::Kind::tone:
        p.kind = Prompt::Kind::tone;
        p.value = std::move(value);
        out.push_back(std::move(p));
        break;
      case Piece::Kind::digits:
        speaks();
        for (const char c : value) {
          if (c == ' ' || c == '-') continue;
          auto one = reader.redacted ? absl::StatusOr<std::string>(std::string("***"))
                                     : words(piece.kind, std::string(1, c), {}, p.language);
          if (!one.ok()) {
            status = one.status();
            break;
          }
          p.value = *std::move(one);
          out.push_back(p);
        }
        break;
      case Piece::Kind::number:
      case Piece::Kind::money:
      case Piece::Kind::date:
      case Piece::Kind::time: {
        speaks();
        std::string currency;
        piece.currency.render(reader, Escape::none, currency);
        p.secret = reader.secret;
        auto spoken = reader.redacted ? absl::StatusOr<std::string>(std::string("***"))
                                      : words(piece.kind, value, currency, p.language);
        if (spoken.ok()) p.value = *std::move(spoken);
        status = spoken.status();
        out.push_back(std::move(p));
        break;
      }
    }
    if (out.size() > before) out[before].mark = std::exchange(mark, {});
    const bool secret = std::exchange(reader.secret, secret_before || reader.secret);
    if (!status.ok()) return secret ? absl::InvalidArgumentError("a secret value cannot be spoken") : status;
  }
  return absl::OkStatus();
}

namespace {

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

}  // namespace

std::vector<const Say*> says_of(const Node& node) {
  using Says = std::vector<const Say*>;
  return std::visit(Overload{
                        [](const WelcomeNode& n) {
                          return Says{&n.say, &n.ask};
                        },
                        [](const PlayNode& n) { return Says{&n.say}; },
                        [](const MenuNode& n) {
                          Says says{&n.say, &n.short_say, &n.invalid_say, &n.no_input_say, &n.exit_say};
                          if (n.confirm) says.push_back(&n.confirm->say);
                          return says;
                        },
                        [](const GatherNode& n) {
                          return Says{&n.say, &n.short_say, &n.invalid_say, &n.no_input_say};
                        },
                        [](const ApiNode& n) { return Says{&n.filler}; },
                        [](const RecordNode& n) { return Says{&n.say}; },
                        [](const TransferNode& n) {
                          return Says{&n.say, &n.ringback, &n.terms.whisper};
                        },
                        [](const QueueNode& n) {
                          Says says{&n.say,           &n.hold,     &n.position_say,
                                    &n.more_than_say, &n.wait_say, &n.terms.whisper};
                          for (const Say& message : n.messages) says.push_back(&message);
                          return says;
                        },
                        [](const HangupNode& n) { return Says{&n.say}; },
                        [](const auto&) { return Says{}; },
                    },
                    node.body);
}

std::vector<Prompts> literal_prompts(const Model& model) {
  std::vector<Prompts> all;
  for (const Node& node : model.nodes) {
    for (const Say* say : says_of(node)) {
      for (std::size_t language = 0; language < say->in.size(); ++language) {
        for (const Piece& piece : say->in[language]) {
          if (!piece.value.is_literal() || piece.value.empty()) continue;
          Prompt p;
          if (piece.kind == Piece::Kind::text) {
            const std::size_t l = piece.language >= 0 ? static_cast<std::size_t>(piece.language) : language;
            p.language = model.languages[l];
            p.voice = piece.voice.empty() ? model.voices[l] : piece.voice;
          } else if (piece.kind == Piece::Kind::file) {
            p.kind = Prompt::Kind::file;
          } else {
            continue;
          }
          p.value = piece.value.literal();
          all.push_back({std::move(p)});
        }
      }
    }
  }
  return all;
}

}  // namespace ivr::flow

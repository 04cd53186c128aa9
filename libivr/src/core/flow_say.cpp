#include <algorithm>

#include "core/flow_fields.hpp"

// Reads what is said: texts, pieces and lists of them, for every language of the flow.

namespace ivr::flow {

namespace {

constexpr std::pair<std::string_view, Piece::Kind> kPieces[] = {
    {"text", Piece::Kind::text},     {"file", Piece::Kind::file},       {"digits", Piece::Kind::digits},
    {"number", Piece::Kind::number}, {"money", Piece::Kind::money},     {"date", Piece::Kind::date},
    {"time", Piece::Kind::time},     {"silence", Piece::Kind::silence}, {"tone", Piece::Kind::tone},
    {"mark", Piece::Kind::mark},
};

bool is_piece(const Json& json) {
  return std::any_of(std::begin(kPieces), std::end(kPieces),
                     [&](const auto& p) { return json.contains(std::string(p.first)); });
}

class SayReader {
 public:
  SayReader(FieldContext& context, std::string pointer) : context_(context), pointer_(std::move(pointer)) {}

  Say read(const Json& json) {
    Say say;
    say.in.resize(context_.model.languages.size());
    if (json.is_object() && !is_piece(json)) {
      by_language(json, say);
    } else {
      for (std::size_t l = 0; l < say.in.size(); ++l) list(json, pointer_, static_cast<int>(l), say.in[l]);
      if (plain_ && say.in.size() > 1) {
        context_.warning("one-language", pointer_, "the same text is spoken in every language of the flow",
                         "give a text for each language: {\"" + context_.model.languages[0] +
                             "\": \"...\", \"" + context_.model.languages[1] + "\": \"...\"}");
      }
    }
    return say;
  }

 private:
  void by_language(const Json& json, Say& say) {
    if (json.empty()) {
      context_.error("wrong-type", pointer_, "a prompt that says nothing",
                     "write a text, a piece, or a list of pieces");
      return;
    }
    std::vector<bool> there(say.in.size());
    for (const auto& [name, inner] : json.items()) {
      const std::string at = pointer_to(pointer_, name);
      const int l = context_.language(name, at);
      std::vector<Piece> unused;
      if (l >= 0) there[static_cast<std::size_t>(l)] = true;
      list(inner, at, std::max(l, 0), l >= 0 ? say.in[static_cast<std::size_t>(l)] : unused, true);
    }
    missing(there, pointer_);
  }

  void missing(const std::vector<bool>& there, const std::string& at) {
    for (std::size_t l = 0; l < there.size(); ++l) {
      if (!there[l]) {
        context_.error("missing-language", at, "nothing to say in '" + context_.model.languages[l] + "'",
                       "add \"" + context_.model.languages[l] + "\": \"...\"");
      }
    }
  }

  void list(const Json& json, const std::string& at, int language, std::vector<Piece>& out,
            bool own = false) {
    own_ = own;
    if (json.is_array()) {
      for (std::size_t i = 0; i < json.size(); ++i)
        piece(json[i], at + "/" + std::to_string(i), language, out);
      if (json.empty())
        context_.error("wrong-type", at, "a prompt that says nothing",
                       "write a text, a piece, or a list of pieces");
    } else {
      piece(json, at, language, out);
    }
  }

  void piece(const Json& json, const std::string& at, int language, std::vector<Piece>& out) {
    Piece p;
    if (json.is_string()) {
      p.value = context_.templ(json, at);
      plain_ = plain_ || (!own_ && p.value.speaks());
      out.push_back(std::move(p));
      return;
    }
    if (!json.is_object() || !is_piece(json)) {
      std::vector<std::string> known;
      for (const auto& [name, kind] : kPieces) known.emplace_back(name);
      std::string hint;
      if (json.is_object() && !json.empty()) hint = suggestion(json.begin().key(), known);
      context_.error("wrong-type", at,
                     "a piece of a prompt is a text or an object with one of text, file, digits, number, "
                     "money, date, time, silence, tone, mark" +
                         hint,
                     "");
      return;
    }
    static const std::vector<std::string> kMore = {"currency", "language", "voice", "length"};
    for (const auto& field : json.items()) {
      const std::string& key = field.key();
      const Json& value = field.value();
      const std::string inside = pointer_to(at, key);
      const auto known =
          std::find_if(std::begin(kPieces), std::end(kPieces), [&](const auto& k) { return k.first == key; });
      if (known != std::end(kPieces)) {
        if (known->first != "text" && p.kind != Piece::Kind::text) {
          context_.error("conflict", inside, "one piece is one thing", "make two pieces of it");
        }
        p.kind = known->second;
        content(p, value, inside, language);
      } else if (key == "currency") {
        p.currency = context_.templ(value, inside);
      } else if (key == "voice" && value.is_string()) {
        p.voice = value.get<std::string>();
      } else if (key == "length") {
        p.length = context_.duration(value, inside, 1ms, 10min);
      } else if (key == "language" && value.is_string()) {
        p.language = context_.language(value.get_ref<const std::string&>(), inside);
      } else {
        context_.error(
            std::find(kMore.begin(), kMore.end(), key) != kMore.end() ? "wrong-type" : "unknown-field",
            inside, "no field '" + key + "' here" + suggestion(key, kMore), "rename or remove it");
      }
    }
    if (p.kind == Piece::Kind::text && p.language < 0 && !own_ && !translated_)
      plain_ = plain_ || p.value.speaks();
    translated_ = false;
    if (p.kind == Piece::Kind::money && p.currency.empty()) {
      context_.error("missing-field", at, "money without 'currency'", "add \"currency\": \"USD\"");
    }
    out.push_back(std::move(p));
  }

  void content(Piece& p, const Json& value, const std::string& at, int language) {
    if (p.kind == Piece::Kind::silence) {
      p.length = context_.duration(value, at, 1ms, 10min);
      return;
    }
    if (p.kind == Piece::Kind::mark) {
      if (!value.is_string() || !is_node_name(value.get_ref<const std::string&>()))
        context_.error("bad-name", at, shown(value) + " is no name for a mark",
                       "use 1 to 64 letters, digits, _ and -");
      p.value = context_.templ(value, at);
      return;
    }
    if (p.kind == Piece::Kind::tone) {
      static const std::vector<std::string> kTones = {"beep", "ringback", "busy", "hold"};
      if (!value.is_string() ||
          std::find(kTones.begin(), kTones.end(), value.get_ref<const std::string&>()) == kTones.end()) {
        context_.error("unknown-tone", at, "no tone " + shown(value) + "; known: beep, ringback, busy, hold",
                       "");
      }
      p.value = context_.templ(value, at);
      return;
    }
    if ((p.kind == Piece::Kind::text || p.kind == Piece::Kind::file) && value.is_object()) {
      translated_ = true;
      std::vector<bool> there(context_.model.languages.size());
      for (const auto& [name, inner] : value.items()) {
        const int l = context_.language(name, pointer_to(at, name));
        if (l >= 0) there[static_cast<std::size_t>(l)] = true;
        Template t = context_.templ(inner, pointer_to(at, name));
        if (l == language) p.value = std::move(t);
      }
      missing(there, at);
      return;
    }
    if (value.is_number() && p.kind != Piece::Kind::text && p.kind != Piece::Kind::file) {
      p.value = context_.templ(Json(value.dump()), at);
      return;
    }
    p.value = context_.templ(value, at);
  }

  FieldContext& context_;
  std::string pointer_;
  bool plain_ = false;  // speaks words without saying in which language
  bool own_ = false;    // inside a text of one language
  bool translated_ = false;
};

}  // namespace

Say Fields::say(std::string_view key, bool required) {
  const Json* json = get(key, required);
  if (!json) return {};
  return SayReader(context_, at(key)).read(*json);
}

Say Fields::announcement(std::string_view key) {
  context_.model.names.announcing = true;
  Say read = say(key);
  context_.model.names.announcing = false;
  return read;
}

std::vector<Say> Fields::says(std::string_view key) {
  std::vector<Say> all;
  const Json* list = array(key);
  for (std::size_t i = 0; list && i < list->size(); ++i)
    all.push_back(SayReader(context_, at(key) + "/" + std::to_string(i)).read((*list)[i]));
  return all;
}

}  // namespace ivr::flow

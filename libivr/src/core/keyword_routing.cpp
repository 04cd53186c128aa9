#include "ivr/keyword_routing.hpp"

#include <algorithm>
#include <cstdint>

namespace ivr {

namespace {

constexpr std::size_t kMaxDepartments = 64, kMaxKeywords = 1000, kMaxWords = 8;
constexpr std::size_t kMinStem = 3;  // letters that must be left of a word without its prefix

// The next character; what is no UTF-8 is read as a space, byte by byte.
char32_t next(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const std::uint32_t first = byte(at++);
  if (first < 0x80) return first;
  const int more = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0;
  if (more == 0 || first >= 0xf5) return U' ';
  char32_t c = first & (0x3fu >> more);
  for (int i = 0; i < more; ++i) {
    const std::uint32_t b = byte(at + static_cast<std::size_t>(i));
    if ((b & 0xc0) != 0x80) return U' ';
    c = c << 6 | (b & 0x3f);
  }
  at += static_cast<std::size_t>(more);
  return c;
}

void append(char32_t c, std::string& out) {
  const auto put = [&](char32_t b) { out += static_cast<char>(b); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6), put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 0x3f)), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
  }
}

struct Range {
  char32_t first, last;
};
constexpr bool in(char32_t c, std::initializer_list<Range> ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const Range& r) { return c >= r.first && c <= r.last; });
}

// Written, but no letter: apostrophes, vowel marks, tatweel, joiners and direction marks.
constexpr bool is_mark(char32_t c) {
  return in(c, {{U'\'', U'\''},
                {0x2018, 0x2019},
                {0x0300, 0x036f},
                {0x0610, 0x061a},
                {0x0640, 0x0640},
                {0x064b, 0x065f},
                {0x0670, 0x0670},
                {0x06d6, 0x06dc},
                {0x06df, 0x06e8},
                {0x06ea, 0x06ed},
                {0x200c, 0x200f},
                {0x202a, 0x202e},
                {0x2066, 0x2069},
                {0xfeff, 0xfeff}});
}

constexpr bool is_letter_or_digit(char32_t c) {
  if (c < 0x80) return in(c, {{U'0', U'9'}, {U'a', U'z'}, {U'A', U'Z'}});
  return !in(c, {{0x80, 0xa9},
                 {0xab, 0xb4},
                 {0xb6, 0xb9},
                 {0xbb, 0xbf},
                 {0xd7, 0xd7},
                 {0xf7, 0xf7},
                 {0x0609, 0x060d},
                 {0x061b, 0x061f},
                 {0x066a, 0x066d},
                 {0x06d4, 0x06d4},
                 {0x2000, 0x206f},
                 {0x3000, 0x303f},
                 {0xfd3e, 0xfd3f},
                 {0xff00, 0xff0f},
                 {0xfffd, 0xfffd}});
}

constexpr char32_t folded(char32_t c) {
  if (c >= U'A' && c <= U'Z') return c + 0x20;
  if (in(c, {{0xc0, 0xd6}, {0xd8, 0xde}})) return c + 0x20;
  if (in(c, {{0x0660, 0x0669}})) return c - 0x0660 + U'0';
  if (in(c, {{0x06f0, 0x06f9}})) return c - 0x06f0 + U'0';
  switch (c) {
    case 0x0622:  // alef with madda, hamza above, hamza below, wasla
    case 0x0623:
    case 0x0625:
    case 0x0671: return 0x0627;
    case 0x0624: return 0x0648;  // waw with hamza
    case 0x0626:                 // ya with hamza, alef maksura, Persian ya
    case 0x0649:
    case 0x06cc: return 0x064a;
    case 0x0629: return 0x0647;  // ta marbuta: ha
    case 0x06a9: return 0x0643;  // Persian kaf
    default: return c;
  }
}

std::size_t letters(std::string_view word) {
  return static_cast<std::size_t>(
      std::count_if(word.begin(), word.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// The article, alone and behind a one-letter word; longest first.
constexpr std::string_view kArticles[] = {
    "\u0648\u0628\u0627\u0644", "\u0648\u0627\u0644", "\u0641\u0627\u0644",
    "\u0628\u0627\u0644",       "\u0643\u0627\u0644", "\u0648\u0644\u0644",
    "\u0641\u0644\u0644",       "\u0627\u0644",       "\u0644\u0644"};
constexpr std::string_view kOneLetter[] = {"\u0648", "\u0641", "\u0628", "\u0643", "\u0644"};

template <class Prefixes>
std::string_view without(std::string_view word, const Prefixes& prefixes) {
  for (const std::string_view prefix : prefixes) {
    if (word.substr(0, prefix.size()) == prefix && letters(word.substr(prefix.size())) >= kMinStem)
      return word.substr(prefix.size());
  }
  return word;
}

// A keyword is compared without its article; a word of the text as it stands and without what may be
// written before it.
std::string_view stem(std::string_view keyword) { return without(keyword, kArticles); }

struct Forms {
  std::string_view as_is, bare, after_article;

  explicit Forms(std::string_view word)
      : as_is(word), bare(without(word, kOneLetter)), after_article(stem(word)) {}
  bool has(std::string_view keyword) const {
    return as_is == keyword || bare == keyword || after_article == keyword;
  }
};

double confidence(int matches) { return matches ? std::min(95, 60 + 15 * matches) / 100.0 : 0.5; }

}  // namespace

std::vector<std::string> keyword_words(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next(text, at);
    if (is_mark(c)) continue;
    if (!is_letter_or_digit(c)) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    append(folded(c), words.back());
  }
  return words;
}

absl::StatusOr<KeywordRouter> KeywordRouter::create(std::vector<KeywordDepartment> departments,
                                                    std::string otherwise) {
  const auto bad = [](const std::string& message) { return absl::InvalidArgumentError(message); };
  if (departments.empty()) return bad("no department; list at least one with its keywords");
  if (departments.size() > kMaxDepartments) {
    return bad(std::to_string(departments.size()) + " departments, at most " +
               std::to_string(kMaxDepartments));
  }
  if (otherwise.empty()) return bad("no default department: a text may have no keyword at all");
  KeywordRouter router;
  for (std::size_t d = 0; d < departments.size(); ++d) {
    const auto& [name, keywords] = departments[d];
    if (name.empty()) return bad("department " + std::to_string(d + 1) + " has no name");
    for (std::size_t other = 0; other < d; ++other) {
      if (departments[other].name == name) return bad("department '" + name + "' is here twice");
    }
    if (keywords.size() > kMaxKeywords) {
      return bad("department '" + name + "': " + std::to_string(keywords.size()) + " keywords, at most " +
                 std::to_string(kMaxKeywords));
    }
    std::vector<std::vector<std::string>> seen;
    for (std::size_t k = 0; k < keywords.size(); ++k) {
      std::vector<std::string> words = keyword_words(keywords[k]);
      if (words.empty()) return bad("department '" + name + "': '" + keywords[k] + "' has no word in it");
      if (words.size() > kMaxWords) {
        return bad("department '" + name + "': '" + keywords[k] + "' has " + std::to_string(words.size()) +
                   " words, at most " + std::to_string(kMaxWords));
      }
      for (std::string& word : words) word = std::string(stem(word));
      // Two spellings of one keyword count once.
      if (std::find(seen.begin(), seen.end(), words) != seen.end()) continue;
      seen.push_back(words);
      router.by_first_word_[words[0]].push_back({d, k, {words.begin() + 1, words.end()}});
    }
  }
  router.departments_ = std::move(departments);
  router.otherwise_ = std::move(otherwise);
  return router;
}

KeywordRoute KeywordRouter::route(std::string_view text) const {
  const std::vector<std::string> words = keyword_words(text);
  std::vector<std::vector<bool>> found(departments_.size());
  for (std::size_t d = 0; d < found.size(); ++d) found[d].resize(departments_[d].keywords.size());
  const auto look = [&](std::size_t at, std::string_view form) {
    const auto it = by_first_word_.find(std::string(form));
    if (it == by_first_word_.end()) return;
    for (const Keyword& k : it->second) {
      bool all = at + k.more.size() < words.size();
      for (std::size_t i = 0; all && i < k.more.size(); ++i) all = Forms(words[at + 1 + i]).has(k.more[i]);
      if (all) found[k.department][k.index] = true;
    }
  };
  for (std::size_t at = 0; at < words.size(); ++at) {
    const Forms forms(words[at]);
    look(at, forms.as_is);
    if (forms.bare != forms.as_is) look(at, forms.bare);
    if (forms.after_article != forms.as_is) look(at, forms.after_article);
  }

  struct Scored {
    std::size_t department;
    int matches;
  };
  std::vector<Scored> scored;
  for (std::size_t d = 0; d < found.size(); ++d) {
    const int n = static_cast<int>(std::count(found[d].begin(), found[d].end(), true));
    if (n > 0) scored.push_back({d, n});
  }
  std::stable_sort(scored.begin(), scored.end(),
                   [](const Scored& a, const Scored& b) { return a.matches > b.matches; });

  KeywordRoute route;
  if (scored.empty()) {
    route.department = otherwise_;
    return route;
  }
  const Scored best = scored[0];
  route.department = departments_[best.department].name;
  route.confidence = confidence(best.matches);
  for (std::size_t k = 0; k < found[best.department].size(); ++k) {
    if (found[best.department][k]) route.matches.push_back(departments_[best.department].keywords[k]);
  }
  bool default_named = route.department == otherwise_;
  for (std::size_t i = 1; i < scored.size(); ++i) {
    const std::string& name = departments_[scored[i].department].name;
    route.alternatives.push_back({name, confidence(scored[i].matches)});
    default_named = default_named || name == otherwise_;
  }
  if (!default_named) route.alternatives.push_back({otherwise_, confidence(0)});
  return route;
}

}  // namespace ivr

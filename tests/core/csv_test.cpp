#include "ivr/csv.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace ivr {
namespace {

std::string cell(std::string_view text) {
  std::string out;
  CsvWriter(out).text(text);
  return out;
}

// RFC 4180, section 2: what a reader of it makes of the bytes.
std::vector<std::vector<std::string>> read(const std::string& csv) {
  std::vector<std::vector<std::string>> records(1, std::vector<std::string>(1));
  bool quoted = false;
  for (std::size_t i = 0; i < csv.size(); ++i) {
    std::string& last = records.back().back();
    if (quoted) {
      if (csv[i] != '"') {
        last.push_back(csv[i]);
      } else if (i + 1 < csv.size() && csv[i + 1] == '"') {
        last.push_back('"'), ++i;
      } else {
        quoted = false;
      }
    } else if (csv[i] == '"') {
      quoted = true;
    } else if (csv[i] == ',') {
      records.back().emplace_back();
    } else if (csv[i] == '\r' && i + 1 < csv.size() && csv[i + 1] == '\n') {
      records.emplace_back(1), ++i;
    } else {
      last.push_back(csv[i]);
    }
  }
  records.pop_back();
  return records;
}

TEST(Csv, QuotesWhatNeedsIt) {
  EXPECT_EQ(cell("plain"), "plain");
  EXPECT_EQ(cell(""), "");
  EXPECT_EQ(cell("a,b"), "\"a,b\"");
  EXPECT_EQ(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
  EXPECT_EQ(cell("two\r\nlines"), "\"two\r\nlines\"");
  std::string out;
  CsvWriter csv(out);
  csv.text("a").number("5").number("1.500");
  csv.end();
  csv.text("b");
  csv.end();
  EXPECT_EQ(out, "a,5,1.500\r\nb\r\n");
}

TEST(Csv, NoTextIsAFormula) {
  EXPECT_EQ(cell("=1+1"), "'=1+1");
  EXPECT_EQ(cell("+966500000000"), "'+966500000000");
  EXPECT_EQ(cell("-2"), "'-2");
  EXPECT_EQ(cell("@SUM(A1)"), "'@SUM(A1)");
  EXPECT_EQ(cell("\tx"), "'\tx");
  EXPECT_EQ(cell("\r=x"), "\"'\r=x\"");
  EXPECT_EQ(cell("=HYPERLINK(\"http://x\",\"y\")"), "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"");
  EXPECT_EQ(cell("a=1"), "a=1");
}

TEST(Csv, WhateverIsWrittenIsReadBack) {
  std::mt19937 random(5);
  constexpr std::string_view kSome = "ab,\"\r\n=+-@\t' \xD8\xB9";
  for (int run = 0; run < 2000; ++run) {
    std::vector<std::vector<std::string>> table(1 + random() % 4);
    const std::size_t width = 1 + random() % 4;
    std::string out;
    CsvWriter csv(out);
    for (auto& record : table) {
      for (std::size_t i = 0; i < width; ++i) {
        std::string text;
        for (std::size_t n = random() % 6; n > 0; --n) text.push_back(kSome[random() % kSome.size()]);
        csv.text(text);
        if (!text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos)
          text = "'" + text;
        record.push_back(text);
      }
      csv.end();
    }
    EXPECT_EQ(read(out), table);
  }
}

}  // namespace
}  // namespace ivr

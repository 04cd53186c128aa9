#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/flow_caller.hpp"

// The api node: the request it makes, and what becomes of the reply.

namespace ivr {
namespace {

using testing::HasSubstr;

TEST(FlowApi, S0_89_BuildsTheRequestAsWritten) {
  struct Row {
    const char* node;
    const char* request;  // method url | headers | body
  };
  const Row rows[] = {
      {R"("url": "{{base}}/balance/{{id}}")", "GET http://h:3000/balance/a%20b|"},
      {R"("url": "{{base}}/balance?account={{id}}")", "GET http://h:3000/balance?account=a%20b|"},
      {R"("url": "{{base}}/balance", "query": {"account": "{{id}}", "x": "1"})",
       "GET http://h:3000/balance?account=a%20b&x=1|"},
      {R"("url": "{{base}}/b?y=2", "query": {"x": "1"})", "GET http://h:3000/b?y=2&x=1|"},
      {R"("method": "DELETE", "url": "{{base}}/b", "headers": {"X-Id": "{{evil}}"})",
       "DELETE http://h:3000/b|X-Id: aX-Bad: 1|"},
      {R"("url": "{{base}}/", "auth": {"type": "bearer", "token": "{{id}}"})",
       "GET http://h:3000/|Authorization: Bearer a b|"},
      {R"("url": "{{base}}/", "auth": {"type": "basic", "user": "Aladdin", "password": "open sesame"})",
       "GET http://h:3000/|Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==|"},
      {R"("url": "{{base}}/", "auth": {"type": "key", "key": "k1"})", "GET http://h:3000/|X-API-Key: k1|"},
      {R"("url": "{{base}}/", "auth": {"type": "key", "key": "k1", "query": "key"})",
       "GET http://h:3000/?key=k1|"},
      {R"("url": "{{base}}/", "auth": {"type": "none"})", "GET http://h:3000/|"},
      {R"("method": "POST", "url": "{{base}}/", "body": {"id": "{{id}}", "n": "{{n}}", "q": "{{quote}}", "list": [1, "{{n}} x"]})",
       R"(POST http://h:3000/|Content-Type: application/json|{"id":"a b","n":7,"q":"say \"hi\"","list":[1,"7 x"]})"},
      {R"("method": "PUT", "url": "{{base}}/", "body": "id={{id}}", "content_type": "application/x-www-form-urlencoded")",
       "PUT http://h:3000/|Content-Type: application/x-www-form-urlencoded|id=a%20b"},
      {R"("method": "PATCH", "url": "{{base}}/", "body": "{\"q\": \"{{quote}}\"}", "content_type": "application/json")",
       R"(PATCH http://h:3000/|Content-Type: application/json|{"q": "say \"hi\""})"},
      {R"("method": "POST", "url": "{{base}}/", "headers": {"content-type": "text/csv"}, "body": "a,{{id}}")",
       "POST http://h:3000/|content-type: text/csv|a,a b"},
  };
  for (const Row& row : rows) {
    FlowCaller c(flow_of(
        "\"a\": {\"type\": \"api\", " + std::string(row.node) + ", \"next\": \"sorry\"}",
        R"("variables": {"base": "http://h:3000", "id": "a b", "n": 7, "quote": "say \"hi\"", "evil": "a\r\nX-Bad: 1"})"));
    c.start();
    const HttpRequest& r = c.wants<intent::Fetch>().request;
    std::string text = r.method + " " + r.url + "|";
    for (const auto& [key, value] : r.headers) text += key + ": " + value + "|";
    EXPECT_EQ(text + r.body, row.request) << row.node;
    EXPECT_EQ(r.secret, std::string(row.node).find("auth") != std::string::npos &&
                            std::string(row.node).find("none") == std::string::npos)
        << row.node;
  }
}

TEST(FlowApi, S0_10_MapsTheReplyToVariables) {
  FlowCaller c(flow_of(R"(
    "a": {"type": "api", "url": "http://h/", "into": "all", "map": {
      "amount": "/data/0/balance", "name": "data.0.owner.name", "rounded": {"from": "/data/0/balance", "transform": ["number", "round: 1"]},
      "upper": {"from": "data.0.owner.name", "transform": "upper"}, "count": {"from": "/data", "transform": "length"},
      "tier": {"from": "/tier", "default": "none"}, "key": {"from": "/key", "secret": true}}, "next": "b"},
    "b": {"type": "hangup", "say": "{{all.data.0.owner.name}}"})"));
  c.start();
  c.reply(200, R"({"data": [{"balance": 1042.55, "owner": {"name": "Ada"}}], "key": "k-123"})");
  EXPECT_EQ(c.hears(), "Ada");
  EXPECT_THAT(
      c.run().variables_json(),
      HasSubstr(
          R"("amount":1042.55,"name":"Ada","rounded":1042.6,"upper":"ADA","count":1,"tier":"none","key":"***")"));
}

TEST(FlowApi, ApiExitsFollowTheStatus) {
  const std::string json = flow_of(R"(
    "a": {"type": "api", "url": "http://h/", "expect": [200, "201", "3xx"], "next": "ok", "on_status": {"404": "gone"}, "on_timeout": "slow", "error": "bad"},
    "ok": {"type": "hangup", "reason": "ok"}, "gone": {"type": "hangup", "reason": "gone"}, "slow": {"type": "hangup", "reason": "slow"}, "bad": {"type": "hangup", "reason": "bad"})",
                                   "");
  for (const auto& [status, reason] :
       {std::pair{200, "ok"}, {201, "ok"}, {302, "ok"}, {202, "bad"}, {404, "gone"}, {500, "bad"}}) {
    FlowCaller c(json);
    c.start();
    c.reply(status, "{}");
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << status;
  }
  for (const auto& [error, reason] : {std::pair{"Timeout was reached", "slow"},
                                      {"operation timed out", "slow"},
                                      {"connection refused", "bad"}}) {
    FlowCaller c(json);
    c.start();
    c.no_reply(error);
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << error;
  }
}

TEST(FlowApi, AStatusGoesBeforeTheHundredItIsOf) {
  const std::string json = flow_of(R"(
    "a": {"type": "api", "url": "http://h/", "next": "ok", "on_status": {"4xx": "refused", "404": "gone", "5xx": "refused"}, "error": "bad"},
    "ok": {"type": "hangup", "reason": "ok"}, "gone": {"type": "hangup", "reason": "gone"}, "refused": {"type": "hangup", "reason": "refused"}, "bad": {"type": "hangup", "reason": "bad"})",
                                   "");
  for (const auto& [status, reason, exit] : {std::tuple{200, "ok", "next"},
                                             {400, "refused", "status:4xx"},
                                             {404, "gone", "status:404"},
                                             {499, "refused", "status:4xx"},
                                             {503, "refused", "status:5xx"},
                                             {302, "bad", "error"}}) {
    FlowCaller c(json);
    c.start();
    c.reply(status, "{}");
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << status;
    ASSERT_FALSE(c.steps().empty());
    EXPECT_EQ(c.steps().front(), (FlowStep{"a", exit})) << status;
  }
}

TEST(FlowApi, AnApiIsAskedAgainWithLongerAndLongerPauses) {
  FlowCaller c(flow_of(
      R"("a": {"type": "api", "url": "http://h/", "retries": 3, "backoff": "200ms", "timeout": "2s", "next": "ok"}, "ok": {"type": "hangup", "reason": "ok"})"));
  c.start();
  for (const Millis pause : {200ms, 400ms, 800ms}) {
    EXPECT_EQ(c.wants<intent::Fetch>().request.timeout, 2s);
    c.reply(503, "");
    EXPECT_EQ(c.wants<intent::Wait>().duration, pause);
    c.tell(outcome::Waited{});
  }
  c.reply(200, "");
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "ok");
  FlowCaller d(flow_of(R"("a": {"type": "api", "url": "http://h/", "retries": 3, "next": "sorry"})"));
  d.start();
  d.reply(400, "");
  EXPECT_EQ(d.hears(), "Sorry.") << "the request is wrong: asking again helps nobody";
}

TEST(FlowApi, S3_15_AFillerIsHandedToTheCallWhileItWaits) {
  FlowCaller c(flow_of(
      R"("a": {"type": "api", "url": "http://h/", "filler": "One moment.", "filler_after": "1s", "next": "sorry"})"));
  c.start();
  EXPECT_EQ(c.wants<intent::Fetch>().filler[0].value, "One moment.");
  EXPECT_EQ(c.wants<intent::Fetch>().filler_after, 1s);
}

TEST(FlowApi, AnAddressThatIsNoHttpTakesTheErrorExit) {
  FlowCaller c(flow_of(R"("a": {"type": "api", "url": "{{base}}/x", "next": "sorry"})",
                       R"("variables": {"base": "file:///etc"})"));
  c.start();
  EXPECT_EQ(c.hears(), "Sorry.");
}

}  // namespace
}  // namespace ivr

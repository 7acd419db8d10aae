// The parameters of an operator's requests. If these fail, a mistake in a request is misread, or a
// program gets no useful error.
#include "admin/fields.h"

#include <string>
#include <vector>

#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::admin {
namespace {

using ::testing::HasSubstr;

constexpr char kId[] = "123e4567-e89b-42d3-a456-426614174000";

std::string MistakeIn(const Fields& fields) { return std::string(fields.Check().message()); }

// If this fails, a parameter is lost when a program moves it from the query to the body.
TEST(FieldsTest, AQueryAndABodyAreOneSetOfParameters) {
  Fields fields;
  ASSERT_TRUE(fields.AddQuery("limit=5&&label=a+b%2fc%3D&empty=").ok());
  ASSERT_TRUE(
      fields.AddBody(R"({"dry_run": true, "client_id": ")" + std::string(kId) + "\"}").ok());
  EXPECT_EQ(fields.Count("limit", 10), 5u);
  EXPECT_EQ(fields.Text("label"), "a b/c=");
  EXPECT_EQ(fields.Text("empty"), "");
  EXPECT_EQ(fields.Flag("dry_run"), true);
  EXPECT_EQ(fields.Id("client_id"), Uuid::Parse(kId));
  EXPECT_EQ(fields.Text("absent"), std::nullopt);
  EXPECT_TRUE(fields.Check().ok()) << fields.Check();
}

// If this fails, a malformed body counts as no parameters, and the request acts on the defaults.
TEST(FieldsTest, ABodyIsNothingOrOneObject) {
  for (const char* const body : {"", " \r\n\t"}) {
    EXPECT_TRUE(Fields().AddBody(body).ok()) << body;
  }
  for (const char* const body : {"[]", "5", "null", "{", "{}{}", "{\"a\":1", "\"a\"", "\xff"}) {
    EXPECT_EQ(Fields().AddBody(body).code(), absl::StatusCode::kInvalidArgument) << body;
  }
}

// If this fails, one of two contradicting values wins silently.
TEST(FieldsTest, WhatIsGivenTwiceIsRefused) {
  Fields fields;
  EXPECT_THAT(fields.AddQuery("limit=1&limit=2").message(), HasSubstr("'limit' is given twice"));
  Fields mixed;
  ASSERT_TRUE(mixed.AddQuery("limit=1").ok());
  EXPECT_FALSE(mixed.AddBody(R"({"limit": 1})").ok());
}

// If this fails, a wrongly encoded name reaches another client.
TEST(FieldsTest, BrokenPercentCodingIsNamed) {
  for (const char* const query : {"a=%", "a=%2", "a=%zz", "a=%+1", "%=1", "a=%-1", "a=%0x"}) {
    const absl::Status status = Fields().AddQuery(query);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << query;
    EXPECT_THAT(std::string(status.message()), HasSubstr(query));
  }
}

// If this fails, a mistyped number prunes more than the operator meant.
TEST(FieldsTest, CountsAreWholeNumbersWithinTheirBound) {
  for (const char* const value : {"-1", "1.5", "1e3", "11", "0x1", "", "99999999999999999999999"}) {
    Fields fields;
    ASSERT_TRUE(fields.AddQuery(std::string("limit=") + value).ok());
    EXPECT_EQ(fields.Count("limit", 10), std::nullopt) << value;
    EXPECT_THAT(MistakeIn(fields), HasSubstr("a whole number from 0 to 10")) << value;
  }
  for (const char* const value : {"-1", "1.0", "11", "true", "[1]", "{}", "1e400"}) {
    Fields fields;
    if (!fields.AddBody(std::string("{\"limit\": ") + value + "}").ok()) continue;
    EXPECT_EQ(fields.Count("limit", 10), std::nullopt) << value;
    EXPECT_FALSE(fields.Check().ok()) << value;
  }
  Fields at_bounds;
  ASSERT_TRUE(at_bounds.AddQuery("least=0&most=18446744073709551615").ok());
  EXPECT_EQ(at_bounds.Count("least", 0), 0u);
  EXPECT_EQ(at_bounds.Count("most", UINT64_MAX), UINT64_MAX);
  EXPECT_TRUE(at_bounds.Check().ok());
}

// If this fails, a program that writes null for an absent value is refused, or null counts as 0.
TEST(FieldsTest, NullIsNotGiven) {
  Fields fields;
  ASSERT_TRUE(fields.AddBody(R"({"limit": null, "label": null})").ok());
  EXPECT_EQ(fields.Count("limit", 10), std::nullopt);
  EXPECT_EQ(fields.RequiredText("label"), "");
  EXPECT_EQ(MistakeIn(fields), "'label' is missing.");
}

// If this fails, a value of a wrong type is converted, and the request acts on another one.
TEST(FieldsTest, EachTypeRefusesTheOthers) {
  const std::string all = R"({"text": 5, "flag": "yes", "id": "123e4567", "directory": "backups",
                               "objects": [1]})";
  const struct {
    const char* expected;
    void (*read)(Fields&);
  } cases[] = {
      {"'text' is 5, which is not a text", [](Fields& f) { f.Text("text"); }},
      {"'flag' is \"yes\", which is not true or false", [](Fields& f) { f.Flag("flag"); }},
      {"which is not a UUID like", [](Fields& f) { f.Id("id"); }},
      {"'directory' is \"backups\", which is not an absolute path",
       [](Fields& f) { f.Path("directory"); }},
      {"which is not a list of at most 3 JSON objects", [](Fields& f) { f.Objects("objects", 3); }},
  };
  for (const auto& each : cases) {
    Fields fields;
    ASSERT_TRUE(fields.AddBody(all).ok());
    each.read(fields);
    EXPECT_THAT(MistakeIn(fields), HasSubstr(each.expected));
  }
}

// If this fails, one request with a long list takes all the memory.
TEST(FieldsTest, ObjectsAreBoundedInNumber) {
  Fields fields;
  ASSERT_TRUE(fields.AddBody(R"({"few": [{}, {"a": 1}], "many": [{}, {}, {}]})").ok());
  EXPECT_EQ(fields.Objects("few", 2).size(), 2u);
  EXPECT_TRUE(fields.Objects("many", 2).empty());
  EXPECT_THAT(MistakeIn(fields), HasSubstr("'many'"));
}

// If this fails, an operator's words move a terminal's cursor or begin a new line in a log.
TEST(FieldsTest, WordsAreOneLine) {
  for (const std::string& words :
       {std::string("two\nlines"), std::string("\x1b[31mred"), std::string("nul\0", 4),
        std::string("\x7f"), std::string(base::kAdminTextBytesMax + 1, 'a')}) {
    Fields fields;
    ASSERT_TRUE(fields.AddObject(Json{{"reason", words}}).ok());
    fields.Words("reason");
    EXPECT_THAT(MistakeIn(fields), HasSubstr("'reason' must be one line")) << words;
  }
  Fields fields;
  ASSERT_TRUE(fields.AddObject(Json{{"reason", std::string(base::kAdminTextBytesMax, 'a')}}).ok());
  EXPECT_EQ(fields.Words("reason").size(), base::kAdminTextBytesMax);
  EXPECT_EQ(fields.Words("absent"), "");
  EXPECT_TRUE(fields.Check().ok());
}

// If this fails, a misspelt parameter is ignored, and its request acts on the default.
TEST(FieldsTest, WhatNobodyAskedForIsNamedWithWhatThereIs) {
  Fields fields;
  ASSERT_TRUE(fields.AddQuery("limt=5").ok());
  fields.Count("limit", 10);
  fields.Text("after");
  EXPECT_EQ(MistakeIn(fields), "There is no parameter 'limt' here; there may be after, limit.");
  Fields none;
  ASSERT_TRUE(none.AddQuery("limt=5").ok());
  EXPECT_EQ(MistakeIn(none), "There is no parameter 'limt' here; there is none.");
}

// If this fails, the message names a mistake that only follows from the first one.
TEST(FieldsTest, TheFirstMistakeIsTold) {
  Fields fields;
  ASSERT_TRUE(fields.AddBody(R"({"a": 1, "b": 2, "c": 3})").ok());
  fields.Text("b");
  fields.Text("a");
  fields.RequiredId("d");
  EXPECT_EQ(MistakeIn(fields), "'b' is 2, which is not a text.");
}

// If this fails, an error about a long value fills a log, or cuts a character in two, and the JSON
// answer cannot be written.
TEST(FieldsTest, LongValuesAreShortenedBetweenCharacters) {
  for (size_t before = 95; before <= 103; ++before) {
    std::string value(before, 'a');
    for (int i = 0; i < 50; ++i) value += "\xe2\x82\xac";  // the euro sign
    Fields fields;
    ASSERT_TRUE(fields.AddObject(Json{{"limit", value}}).ok());
    fields.Count("limit", 10);
    const std::string mistake = MistakeIn(fields);
    EXPECT_LT(mistake.size(), 200u);
    EXPECT_NO_THROW(Json(mistake).dump()) << before;
  }
}

}  // namespace
}  // namespace tcsync::admin

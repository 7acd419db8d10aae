// Operations and tasks as JSON. If these fail, TaskChampion cannot read this replica's changes, or
// damage and an enemy's text become tasks.
#include "replica/operation_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/unit/replica/raw_database.h"

namespace tcsync::replica {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kId[] = "00000000-0000-4000-8000-000000000001";  // TaskId(1)
const absl::Time kTime = absl::FromUnixSeconds(1'795'986'889);

// With "ID" for the task's ID and "NOW" for the time, and ' for ".
std::string Json(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"ID", kId}, {"NOW", "2026-11-29T21:14:49Z"}, {"'", "\""}});
}

Operation UpdateWithOldValue(std::optional<std::string> value,
                             std::optional<std::string> old_value) {
  Operation operation = Operation::Update(TaskId(1), "project", std::move(value), kTime);
  operation.old_value = std::move(old_value);
  return operation;
}

Operation DeleteWithProperties(TaskProperties properties) {
  Operation operation = Operation::Delete(TaskId(1));
  operation.old_properties = std::move(properties);
  return operation;
}

// If this fails, TaskChampion and Taskwarrior refuse this replica's versions or its database.
TEST(OperationJsonTest, EachFormHasExactlyTheFieldsOfTaskChampion) {
  struct Case {
    Operation operation;
    const char* stored;
    const char* sent;
  };
  for (const Case& expected : {
           Case{Operation::Create(TaskId(1)), "{'Create':{'uuid':'ID'}}",
                "{'Create':{'uuid':'ID'}}"},
           Case{DeleteWithProperties({}), "{'Delete':{'old_task':{},'uuid':'ID'}}",
                "{'Delete':{'uuid':'ID'}}"},
           Case{DeleteWithProperties({{"b", "2"}, {"a", "1"}}),
                "{'Delete':{'old_task':{'a':'1','b':'2'},'uuid':'ID'}}",
                "{'Delete':{'uuid':'ID'}}"},
           Case{UpdateWithOldValue("x", "w"),
                "{'Update':{'old_value':'w','property':'project','timestamp':'NOW','uuid':'ID',"
                "'value':'x'}}",
                "{'Update':{'property':'project','timestamp':'NOW','uuid':'ID','value':'x'}}"},
           Case{UpdateWithOldValue(std::nullopt, std::nullopt),
                "{'Update':{'old_value':null,'property':'project','timestamp':'NOW','uuid':'ID',"
                "'value':null}}",
                "{'Update':{'property':'project','timestamp':'NOW','uuid':'ID','value':null}}"},
           Case{UpdateWithOldValue("", ""),
                "{'Update':{'old_value':'','property':'project','timestamp':'NOW','uuid':'ID',"
                "'value':''}}",
                "{'Update':{'property':'project','timestamp':'NOW','uuid':'ID','value':''}}"},
       }) {
    EXPECT_EQ(FormatStoredOperation(expected.operation), Json(expected.stored));
    EXPECT_EQ(FormatSentOperation(expected.operation), Json(expected.sent));
    EXPECT_EQ(ParseStoredOperation(Json(expected.stored)).value(), expected.operation);
    Operation received = expected.operation;
    received.old_value.reset();
    received.old_properties.clear();
    EXPECT_THAT(ParseSegment(absl::StrCat(kSegmentBegin, Json(expected.sent), kSegmentEnd)).value(),
                ElementsAre(received));
  }
  EXPECT_EQ(FormatStoredOperation(Operation::UndoPoint()), "\"UndoPoint\"");
  EXPECT_EQ(ParseStoredOperation("\"UndoPoint\"").value(), Operation::UndoPoint());
}

// If this fails, texts that people write change on their way to another replica.
TEST(OperationJsonTest, EveryTextSurvives) {
  std::string all;
  for (char character = 0; character < 0x7f; ++character) all += character;
  for (const std::string& text :
       {std::string(), all, std::string("\0", 1), std::string("a\0b", 3),
        std::string("\"\\/\b\r\n"),
        std::string("\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf \xef\xbf\xbf"),
        std::string("\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf"), std::string(1'000'000, 'x')}) {
    Operation operation = Operation::Update(TaskId(1), text, text, kTime);
    operation.old_value = text;
    EXPECT_TRUE(ParseStoredOperation(FormatStoredOperation(operation)).value() == operation);
    const TaskProperties properties = {{text, text}, {"other", "x"}};
    EXPECT_TRUE(ParseProperties(FormatProperties(properties)).value() == properties);
    const std::vector<Task> tasks = {{TaskId(1), properties}, {TaskId(2), {}}};
    EXPECT_TRUE(ParseTasks(FormatTasks(tasks)).value() == tasks);
  }
}

// If this fails, versions of a later TaskChampion, with a field more, stop this replica.
TEST(OperationJsonTest, TextsThatTaskChampionReadsAreRead) {
  const Operation update = Operation::Update(TaskId(1), "project", std::nullopt, kTime);
  for (const char* const fields : {
           "'uuid':'ID','property':'project','timestamp':'NOW'",
           "'uuid':'ID','property':'project','timestamp':'NOW','value':null",
           "'timestamp':'NOW','value':null,'property':'project','uuid':'ID','later':[{}]",
           "'uuid':'ID','property':'project','timestamp':'2026-11-29 22:14:49.000+01:00'",
           "'uuid':'ID','\\u0070roperty':'\\u0070roject','timestamp':'NOW'",
       }) {
    const std::string json = Json(absl::StrCat(" { 'Update' : {", fields, "} }\n\t\r"));
    EXPECT_EQ(ParseStoredOperation(json).value(), update) << json;
    EXPECT_THAT(ParseSegment(absl::StrCat(kSegmentBegin, json, kSegmentEnd)).value(),
                ElementsAre(update));
  }
  EXPECT_THAT(ParseSegment(Json("{'later':1,'operations':[]}")).value(), ElementsAre());
  // Only the database's form has old values.
  EXPECT_THAT(ParseSegment(Json("{'operations':[{'Update':{'uuid':'ID','property':'project',"
                                "'timestamp':'NOW','old_value':7}},"
                                "{'Delete':{'uuid':'ID','old_task':7}}]}"))
                  .value(),
              ElementsAre(update, Operation::Delete(TaskId(1))));
  // Of a name that is there twice, the last counts.
  EXPECT_EQ(ParseProperties(Json("{'a':'1','a':'2'}")).value(), (TaskProperties{{"a", "2"}}));
  EXPECT_EQ(ParseProperties(Json("{'\\ud83d\\ude00':'\\u0000'}")).value(),
            (TaskProperties{{"\xf0\x9f\x98\x80", std::string("\0", 1)}}));
}

// The marks that a message must not repeat are "hunter2" and the number 4711.
void ExpectRefused(const absl::Status& status, absl::string_view text) {
  const std::string begin(text.substr(0, 200));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << begin;
  EXPECT_THAT(std::string(status.message()),
              testing::StartsWith(absl::StartsWith(status.message(), "has ") ? "has " : "is "))
      << begin;
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hunter2"))) << begin;
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("4711"))) << begin;
}

// Operations that neither a version nor the database may have.
std::vector<std::string> MalformedOperations() {
  std::vector<std::string> texts;
  for (const char* const text : {
           "null",
           "true",
           "4711",
           "'hunter2'",
           "[]",
           "{}",
           "'Create'",
           "['Create']",
           "'undopoint'",
           "{'UndoPoint':null}",
           "{'UndoPoint':{}}",
           "{'UndoPoint':{'uuid':'ID'}}",
           // Kinds.
           "{'create':{'uuid':'ID'}}",
           "{'hunter2':{'uuid':'ID'}}",
           "{'':{'uuid':'ID'}}",
           "{'Create':{'uuid':'ID'},'Delete':{'uuid':'ID'}}",
           "{'Create':{'uuid':'ID'},'hunter2':4711}",
           // Fields.
           "{'Create':null}",
           "{'Create':'ID'}",
           "{'Create':4711}",
           "{'Create':[{'uuid':'ID'}]}",
           "{'Create':{}}",
           "{'Create':{'uuid':null}}",
           "{'Create':{'uuid':4711}}",
           "{'Create':{'uuid':['ID']}}",
           "{'Create':{'uuid':''}}",
           "{'Create':{'uuid':'hunter2'}}",
           "{'Create':{'uuid':' ID'}}",
           "{'Create':{'uuid':'ID\\u0000'}}",
           "{'Create':{'UUID':'ID'}}",
           "{'Delete':{'old_task':{}}}",
           "{'Update':{'property':'p','timestamp':'NOW','value':'hunter2'}}",
           "{'Update':{'uuid':'ID','timestamp':'NOW','value':'hunter2'}}",
           "{'Update':{'uuid':'ID','property':null,'timestamp':'NOW','value':'hunter2'}}",
           "{'Update':{'uuid':'ID','property':4711,'timestamp':'NOW','value':'hunter2'}}",
           "{'Update':{'uuid':'ID','property':'p','timestamp':'NOW','value':4711}}",
           "{'Update':{'uuid':'ID','property':'p','timestamp':'NOW','value':false}}",
           "{'Update':{'uuid':'ID','property':'p','timestamp':'NOW','value':['hunter2']}}",
           "{'Update':{'uuid':'ID','property':'hunter2','value':'hunter2'}}",
           "{'Update':{'uuid':'ID','property':'p','timestamp':null,'value':'x'}}",
           "{'Update':{'uuid':'ID','property':'p','timestamp':4711,'value':'x'}}",
           "{'Update':{'uuid':'ID','property':'p','timestamp':'hunter2','value':'x'}}",
           "{'Update':{'uuid':'ID','property':'p','timestamp':'2026-02-30T00:00:00Z','value':'x'}}",
       }) {
    texts.push_back(Json(text));
  }
  return texts;
}

// Texts that are no JSON.
std::vector<std::string> NoJson() {
  std::vector<std::string> texts;
  for (const char* const text : {
           "",
           " ",
           "hunter2",
           "'hunter2",
           "{'a':'hunter2'",
           "{'a':'hunter2',}",
           "{'a' 'hunter2'}",
           "{a:'hunter2'}",
           "{'a':'hunter2'} x",
           "{'a':'hunter2'}{}",
           "{'a':'hunter2'}]",
           "[1,]",
           "{,}",
           "01",
           "NaN",
           "// hunter2\n{}",
           "{'a':'hunter2\n'}",
           "{'a':'\\x41'}",
           // Half of a pair of surrogates.
           "{'a':'\\ud800'}",
           "{'a':'\\udc00'}",
           "{'a':'\\ud800\\ud800'}",
           "{'a':'\\ud800x'}",
           "{'a':'\\ud80'}",
           // Not UTF-8.
           "{'a':'\xff'}",
           "{'a':'\xc3'}",
           "{'\xc0\x80':'a'}",
           "{'a':'\xed\xa0\x80'}",
           "{'a':'\xf4\x90\x80\x80'}",
           "{'a':'b'}\xff",
           // A byte order mark, and another encoding.
           "\xef\xbb\xbf{'a':'hunter2'}",
           "\xff\xfe{",
       }) {
    texts.push_back(Json(text));
  }
  for (const absl::string_view text :
       {absl::string_view("\0", 1), absl::string_view("{}\0", 3),
        absl::string_view("{}\0hunter2", 10), absl::string_view("{\0}", 3),
        absl::string_view("{'a':'\0'}", 9), absl::string_view("\0{}", 3)}) {
    texts.push_back(Json(text));
  }
  texts.push_back(std::string(1'000'000, '['));
  texts.push_back(absl::StrReplaceAll(std::string(300'000, 'x'), {{"x", "{\"a\":"}}));
  texts.push_back(std::string("{\"a\":\"") + std::string(10'000'000, 'x'));
  return texts;
}

// If this fails, damage becomes an operation, or a message shows a person's tasks to others.
TEST(OperationJsonTest, MalformedOperationsAreRefusedWithoutTheirText) {
  for (const std::string& text : MalformedOperations()) {
    ExpectRefused(ParseStoredOperation(text).status(), text);
    ExpectRefused(ParseSegment(absl::StrCat(kSegmentBegin, text, kSegmentEnd)).status(), text);
    // A valid one before it changes nothing.
    ExpectRefused(ParseSegment(absl::StrCat(kSegmentBegin, Json("{'Create':{'uuid':'ID'}},"), text,
                                            kSegmentEnd))
                      .status(),
                  text);
  }
  for (const char* const text : {
           "{'Delete':{'uuid':'ID'}}",
           "{'Delete':{'uuid':'ID','old_task':null}}",
           "{'Delete':{'uuid':'ID','old_task':['hunter2']}}",
           "{'Delete':{'uuid':'ID','old_task':{'hunter2':4711}}}",
           "{'Delete':{'uuid':'ID','old_task':{'hunter2':null}}}",
           "{'Update':{'uuid':'ID','property':'p','timestamp':'NOW','old_value':4711}}",
       }) {
    ExpectRefused(ParseStoredOperation(Json(text)).status(), text);
  }
  // An undo point is never sent.
  ExpectRefused(ParseSegment(Json("{'operations':['UndoPoint']}")).status(), "UndoPoint");
}

// If this fails, a version that is no list of operations counts as an empty one, and is skipped.
TEST(OperationJsonTest, OtherSegmentsAreRefused) {
  for (const char* const text :
       {"null", "4711", "'hunter2'", "[]", "{}", "{'Operations':[]}", "{'operations':null}",
        "{'operations':{}}", "{'operations':'hunter2'}", "{'operations':4711}",
        "[{'Create':{'uuid':'ID'}}]", "{'operations':[[]]}", "{'operations':[null]}"}) {
    ExpectRefused(ParseSegment(Json(text)).status(), text);
  }
}

// If this fails, a damaged task is shown with some of its properties, and synced like that.
TEST(OperationJsonTest, OtherTasksAreRefused) {
  for (const char* const text :
       {"null", "4711", "'hunter2'", "[]", "{'hunter2':4711}", "{'hunter2':null}",
        "{'a':'b','hunter2':{}}", "{'hunter2':['b']}", "{'a':true}"}) {
    ExpectRefused(ParseProperties(Json(text)).status(), text);
    ExpectRefused(ParseTasks(absl::StrCat("{\"", kId, "\":", Json(text), "}")).status(), text);
  }
  for (const char* const text :
       {"null", "4711", "'hunter2'", "[]", "[{}]", "{'hunter2':{}}", "{'':{}}", "{'ID ':{}}",
        "{'ID\\u0000':{}}", "{'ID':{},'hunter2':{}}"}) {
    ExpectRefused(ParseTasks(Json(text)).status(), text);
  }
  EXPECT_THAT(ParseTasks("{}").value(), ElementsAre());
}

// If this fails, a file's end that is cut off, an encoding or a depth crashes the replica, or is
// accepted where every other replica refuses it.
TEST(OperationJsonTest, TextsThatAreNoJsonAreRefused) {
  for (const std::string& text : NoJson()) {
    for (const auto& parse : std::vector<std::function<absl::Status(absl::string_view)>>{
             [](absl::string_view json) { return ParseSegment(json).status(); },
             [](absl::string_view json) { return ParseStoredOperation(json).status(); },
             [](absl::string_view json) { return ParseProperties(json).status(); },
             [](absl::string_view json) { return ParseTasks(json).status(); }}) {
      const absl::Status status = parse(text);
      ExpectRefused(status, text);
      EXPECT_EQ(status.message(), "is not JSON") << text.substr(0, 200);
    }
  }
}

// If this fails, a version with a million arrays in each other overflows the stack of every program
// that syncs.
TEST(OperationJsonTest, DeepNestingIsRefused) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  ExpectRefused(ParseSegment(deep).status(), deep);
  ExpectRefused(ParseStoredOperation(deep).status(), deep);
  ExpectRefused(ParseProperties(absl::StrCat("{\"a\":", deep, "}")).status(), deep);
  ExpectRefused(ParseTasks(absl::StrCat("{\"", kId, "\":", deep, "}")).status(), deep);
  // An unknown field may hold anything.
  EXPECT_TRUE(ParseSegment(absl::StrCat("{\"a\":", deep, ",\"operations\":[]}")).ok());
}

}  // namespace
}  // namespace tcsync::replica

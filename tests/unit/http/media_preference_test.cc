// The choice between a page and a line of text. If these fail, people see a bare line in a browser,
// or programs that expect the line get a page.
#include "http/media_preference.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tcsync::http {
namespace {

bool Prefers(const std::vector<std::string>& fields) {
  std::vector<HeaderView> headers = {{"Host", "text/html"}};
  for (const std::string& field : fields) headers.push_back({"aCCept", field});
  return PrefersHtml({"GET", "/", headers});
}

// If this fails, one of the browsers that people use shows the line.
TEST(MediaPreferenceTest, BrowsersPreferHtml) {
  for (const char* const accept : {
           // Firefox, Chrome, Safari, Lynx and w3m.
           "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
           "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
           "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
           "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
           "text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01",
           "text/html, text/*;q=0.5, image/*, application/*, x-content/*",
       }) {
    EXPECT_TRUE(Prefers({accept})) << accept;
  }
}

// If this fails, a list, a quality or a letter's case is misread.
TEST(MediaPreferenceTest, AcceptIsReadAsTheStandardSays) {
  struct Case {
    std::vector<std::string> fields;
    bool prefers_html;
  };
  const Case cases[] = {
      {{}, false},
      {{""}, false},
      {{"*/*"}, false},
      {{"text/*"}, false},
      {{"text/plain"}, false},
      {{"application/json"}, false},
      {{"application/xhtml+xml"}, false},
      {{"application/vnd.tcsync.versions, */*"}, false},
      {{"text/html"}, true},
      {{"TEXT/Html"}, true},
      {{" text/html "}, true},
      {{"text/html", "*/*;q=0.8"}, true},
      {{"*/*;q=0.8", "text/html"}, true},
      {{"image/png,,text/html,"}, true},
      {{"text/html;charset=utf-8"}, true},
      {{"text/htmlx"}, false},
      {{"xtext/html"}, false},
      {{"text / html"}, false},
      {{"html"}, false},
      // Qualities.
      {{"text/html;q=0"}, false},
      {{"text/html;q=0.000"}, false},
      {{"text/html;q=0, */*"}, false},
      {{"text/html;q=0.001"}, true},
      {{"text/html;q=1.000"}, true},
      {{"text/html; Q=0.5"}, true},
      {{"text/html ; q = 0"}, false},
      {{"text/html;level=1;q=0"}, false},
      {{"text/html;q=0.5, text/plain;q=0.5"}, true},
      {{"text/html;q=0.5, text/plain;q=0.501"}, false},
      {{"text/html;q=0.5, text/plain"}, false},
      {{"text/html;q=0.5, */*"}, false},
      {{"text/html;q=0.5, text/*"}, false},
      {{"text/html, text/plain"}, true},
      // The most specific range is that of plain text.
      {{"text/html;q=0.5, text/plain;q=0.1, text/*, */*"}, true},
      {{"text/html;q=0.5, text/*;q=0.1, */*"}, true},
      {{"text/html;q=0.5, text/*;q=0.9, */*;q=0.1"}, false},
      // Of equal ranges the highest counts.
      {{"text/html;q=0, text/html"}, true},
      // A malformed item is none.
      {{"text/html;q="}, false},
      {{"text/html;q=high"}, false},
      {{"text/html;q=2"}, false},
      {{"text/html;q=1.001"}, false},
      {{"text/html;q=0.1234"}, false},
      {{"text/html;q=.5"}, false},
      {{"text/html;q=-1"}, false},
      {{"text/html;q=0x1"}, false},
      {{"text/html;q=1e0"}, false},
      {{"text/html, */*;q=high"}, true},
      // Quotes could hide a comma.
      {{"text/html;x=\"a,b\";q=0"}, false},
      {{"text/html;x=\"a;q=0\""}, false},
  };
  for (const Case& one : cases) {
    std::string shown;
    for (const std::string& field : one.fields) absl::StrAppend(&shown, "[", field, "]");
    EXPECT_EQ(Prefers(one.fields), one.prefers_html) << shown;
  }
}

// If this fails, a stranger's head of the greatest length costs more than its reading, or ends the
// process.
TEST(MediaPreferenceTest, HugeAndOddFieldsAreHarmless) {
  std::string many;
  for (int i = 0; i < 4000; ++i) many += ",";
  EXPECT_FALSE(Prefers({many}));
  EXPECT_TRUE(Prefers({absl::StrCat(many, "text/html", many)}));
  EXPECT_FALSE(Prefers({absl::StrCat("text/html;q=0.", std::string(8000, '9'))}));
  EXPECT_FALSE(Prefers({absl::StrCat("text/", std::string(8000, 'h'))}));
  EXPECT_FALSE(Prefers({absl::StrCat("text/html", std::string(4000, ';'), "q=0")}));
  EXPECT_FALSE(Prefers({std::string("text/html\0", 10)}));
  EXPECT_FALSE(Prefers({"\xff\xfe;q=\xff"}));
  EXPECT_FALSE(Prefers(std::vector<std::string>(200, "*/*")));
}

}  // namespace
}  // namespace tcsync::http

// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/report_html.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "libcore/plot/curves_text.h"

using namespace gpt2::plot;

namespace {

RunCurves small_run(const std::string& name) {
  RunCurves run;
  run.name = name;
  run.training_loss.points = {{1, 6}, {2, 5}, {3, 4}};
  run.validation_loss.points = {{2, 5.5}, {3, 4.5}};
  run.tokens.points = {{1, 100}, {2, 200}, {3, 300}};
  run.seconds.points = {{1, 1}, {2, 2}, {3, 3}};
  run.tokens_per_second.points = {{1, 90}, {2, 110}, {3, 100}};
  run.settings = {{"max-steps", "10"}, {"seed", "42"}};
  run.samples = {{2, "old <words>"}, {3, "new & words\nin two lines"}};
  return run;
}

bool has(const std::string& html, const char* text) { return html.find(text) != std::string::npos; }

/// Every element that is opened is closed, in order.
bool is_balanced(std::string_view html) {
  std::vector<std::string> open;
  for (auto at = html.find('<'); at != std::string_view::npos; at = html.find('<', at + 1)) {
    const auto end = html.find('>', at);
    const auto tag = html.substr(at + 1, end - at - 1);
    const bool closes = tag.starts_with('/');
    const auto name = std::string(tag.substr(closes, tag.find_first_of(" />", 1) - closes));
    if (name == "!DOCTYPE" || name == "meta" || name == "input" || tag.ends_with('/')) continue;
    if (!closes) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return false;
    } else {
      open.pop_back();
    }
  }
  return open.empty();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(report_html)

BOOST_AUTO_TEST_CASE(page_of_one_run_has_numbers_charts_settings_and_samples) {
  const auto run = small_run("run");
  const auto html = draw_report({&run, 1});
  BOOST_TEST(is_balanced(html));
  for (const auto* text :
       {"<td class=\"number\" data-label=\"steps\">3 of 10</td>", "4.0000 at 3", "4.5000 at 3",
        "data-label=\"tokens/s, median\">100</td>", "id=\"by-steps\" checked", "id=\"by-tokens\"",
        "id=\"by-time\"", "<summary>Settings</summary>", "<pre>new &amp; words\nin two lines</pre>",
        "old &lt;words>"}) {
    BOOST_TEST(has(html, text), text);
  }
  BOOST_TEST(!has(html, "http-equiv"));
  BOOST_TEST(has(draw_report({&run, 1}, 5), "http-equiv=\"refresh\" content=\"5\""));
}

BOOST_AUTO_TEST_CASE(page_asks_nothing_of_a_network_and_runs_no_script) {
  const auto run = small_run("run");
  const auto html = draw_report({&run, 1});
  for (const auto* text : {"http:", "https:", "<script", "src=", "@import", "<link"}) {
    BOOST_TEST(!has(html, text), text);
  }
}

BOOST_AUTO_TEST_CASE(only_settings_that_differ_are_compared) {
  std::vector runs{small_run("first"), small_run("second")};
  BOOST_TEST(!has(draw_report(runs), "Settings"));
  runs[1].settings["seed"] = "43";
  const auto html = draw_report(runs);
  BOOST_TEST(is_balanced(html));
  BOOST_TEST(has(html, "<tr><td>seed</td><td>42</td><td>43</td></tr>"));
  BOOST_TEST(!has(html, "<td>max-steps</td>"));
}

BOOST_AUTO_TEST_CASE(run_with_losses_alone_makes_a_page_too) {
  RunCurves run;
  run.name = "<b>";
  run.validation_loss.points = {{0, 10}};
  const auto html = draw_report({&run, 1});
  BOOST_TEST(is_balanced(html));
  BOOST_TEST(!has(html, "by-tokens"));
  BOOST_TEST(!has(html, "<b>"));
}

BOOST_AUTO_TEST_CASE(ids_of_a_page_are_its_own) {
  const auto run = small_run("run");
  const auto html = draw_report({&run, 1});
  std::vector<std::string> ids;
  for (auto at = html.find(" id=\""); at != std::string::npos; at = html.find(" id=\"", at + 1)) {
    ids.push_back(html.substr(at + 5, html.find('"', at + 5) - at - 5));
  }
  BOOST_TEST(ids.size() > 10U);
  std::ranges::sort(ids);
  BOOST_CHECK(std::ranges::adjacent_find(ids) == ids.end());
}

BOOST_AUTO_TEST_CASE(characters_show_the_course_between_the_axes) {
  RunCurves run;
  run.name = "run";
  run.training_loss.points = {{0, 10}, {50, 5}, {100, 0}};
  run.validation_loss.points = {{100, 5}};
  const auto text = draw_text({&run, 1}, 30, 5);
  BOOST_TEST(
      text ==
      "     10 +.\n"
      "        |\n"
      "      5 +          .         v\n"
      "        |\n"
      "      0 +                    .\n"
      "        ++---------+---------+\n"
      "   step  0        50       100\n"
      "run: training loss (.) 0.0000 at step 100, validation loss (v) 5.0000, best 5.0000 at "
      "step 100\n");
}

BOOST_AUTO_TEST_CASE(characters_of_several_runs_are_letters_and_their_capitals) {
  std::vector<RunCurves> runs(2);
  runs[0].name = "x";
  runs[0].training_loss.points = {{0, 10}, {100, 0}};
  runs[1].name = "y";
  runs[1].training_loss.points = {{0, 8}, {100, 2}};
  runs[1].validation_loss.points = {{100, 4}};
  const auto text = draw_text(runs, 30, 6);
  const auto picture = text.substr(0, text.find("step"));
  for (const char sign : {'a', 'b', 'B'}) BOOST_TEST(std::ranges::count(picture, sign) > 0);
  BOOST_TEST(has(text, "x: training loss (a) 0.0000"));
  BOOST_TEST(has(text, "y: training loss (b) 2.0000 at step 100, validation loss (B) 4.0000"));
}

BOOST_AUTO_TEST_SUITE_END()

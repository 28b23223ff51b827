#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <string>

#include "test/catch.h"

/// SystemC elaborates once in a process: a test case that runs a simulation of its own does so in a child.
namespace rdu::test {

/// Runs `body` in a forked child and returns the text that it returned. In it use REQUIRE and no CHECK: only
/// what throws reaches the parent, which then fails too. Leaks are not looked for in it: the sanitizer
/// cannot follow the stacks of SystemC's threads there. Call before the first sc_start() of the process.
inline std::string ask_child(const std::function<std::string()>& body) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::cout.flush();
  std::fflush(nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(ends[0]);
    int status = 1;
    try {
      const std::string text = body();
      size_t written = 0;
      while (written < text.size()) {
        const ssize_t n = write(ends[1], text.data() + written, text.size() - written);
        if (n <= 0) break;
        written += static_cast<size_t>(n);
      }
      status = written == text.size() ? 0 : 1;
    } catch (const std::exception& e) {
      std::cout << "in the child: " << e.what() << '\n';
    } catch (...) {  // a failed REQUIRE, which has printed itself
    }
    std::cout.flush();
    std::fflush(nullptr);
    _exit(status);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = read(ends[0], buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  return text;
}

inline void in_child(const std::function<void()>& body) {
  ask_child([&] {
    body();
    return std::string();
  });
}

}  // namespace rdu::test

// The table of kernels, through which a launch by name reaches a function with typed arguments.
#pragma once
#include "launch.h"
#include <type_traits>
#include <utility>

namespace standin {

template <class A> constexpr Parameter parameter() {
  static_assert(std::is_pointer_v<A> || std::is_arithmetic_v<A>, "a pointer or a number, by value");
  static_assert(sizeof(A) <= 8, "the driver keeps arguments in 64 bits each");
  if constexpr (!std::is_pointer_v<A>)
    return {false, 1, sizeof(A)};
  else if constexpr (std::is_void_v<std::remove_pointer_t<A>>)
    return {true, 1, sizeof(A)};
  else
    return {true, alignof(std::remove_pointer_t<A>), sizeof(A)};
}

template <auto> struct Call;
template <class... A, void (*kernel)(A...)> struct Call<kernel> {
  static constexpr int count = sizeof...(A);
  static constexpr Parameter parameters[] = {parameter<A>()..., {}};

  // Runs those threads of the block whose turn it is, with the arguments unpacked once.
  static void threads(void **arguments) { unpack(arguments, std::index_sequence_for<A...>()); }

  template <size_t... I> static void unpack(void **arguments, std::index_sequence<I...>) {
    (void)arguments;
    [](A... a) {
      while (next_thread()) kernel(a...);
    }(*static_cast<A *>(arguments[I])...);
  }
};

#define ENTRY(name, source) \
  {#name, sources[source].text, Call<kernels::name>::threads, Call<kernels::name>::parameters, \
   Call<kernels::name>::count}

// The text of a file, NUL-terminated, without a copy of it in a C++ literal.
#define TEXT(name, path) \
  extern "C" const char name[]; \
  asm(".pushsection .rodata\n" #name ":\n.incbin \"" path "\"\n.byte 0\n.popsection");
}

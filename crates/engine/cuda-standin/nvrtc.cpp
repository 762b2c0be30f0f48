// The run-time compiler. Kernels were compiled when the stand-in was built; here it is seen to
// that they are the ones of the source, and the source becomes the list of their names.
#include "launch.h"
#include "standin.h"
#include <cstring>
#include <string>

using namespace standin;

namespace {

enum Result { SUCCESS = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, COMPILATION = 6 };

struct Program {
  std::string source, log, ptx;
};

// Names the kernels of a source, from the lines that start with KERNEL(.
std::string compile(Program &program) {
  const std::string &source = program.source;
  std::string names = " ";
  static const std::string mark = "KERNEL(";
  for (size_t at = source.find(mark); at != std::string::npos; at = source.find(mark, at + 1)) {
    if (at > 0 && source[at - 1] != '\n') continue;
    size_t start = at + mark.size();
    std::string name = source.substr(start, source.find(')', start) - start);
    const Kernel *kernel = table;
    while (kernel->name && name != kernel->name) kernel++;
    if (!kernel->name || source.find(kernel->text) == std::string::npos) {
      program.log = "the CPU stand-in was built without kernel " + name +
                    ", or from another text of its file: build it again\n";
      break;
    }
    names += name + " ";
  }
  return names;
}
}

API const char *nvrtcGetErrorString(Result result) {
  switch (result) {
    case SUCCESS: return "NVRTC_SUCCESS";
    case INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
    case INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
    case COMPILATION: return "NVRTC_ERROR_COMPILATION";
  }
  return "NVRTC_ERROR unknown";
}
API Result nvrtcVersion(int *major, int *minor) {
  *major = 12;
  *minor = 8;
  return SUCCESS;
}
API Result nvrtcCreateProgram(Program **program, const char *source, const char *, int,
                              const char *const *, const char *const *) {
  if (!program || !source) return INVALID_INPUT;
  *program = new Program{source, "", ""};
  return SUCCESS;
}
API Result nvrtcDestroyProgram(Program **program) {
  if (!program || !*program) return INVALID_PROGRAM;
  delete *program;
  *program = nullptr;
  return SUCCESS;
}
API Result nvrtcCompileProgram(Program *program, int, const char *const *) {
  std::string names = compile(*program);
  if (!program->log.empty()) return COMPILATION;
  program->ptx = "// frbench CPU stand-in:" + names;
  return SUCCESS;
}
API Result nvrtcGetPTXSize(Program *program, size_t *size) {
  *size = program->ptx.size() + 1;
  return program->ptx.empty() ? INVALID_PROGRAM : SUCCESS;
}
API Result nvrtcGetPTX(Program *program, char *ptx) {
  memcpy(ptx, program->ptx.c_str(), program->ptx.size() + 1);
  return SUCCESS;
}
API Result nvrtcGetCUBINSize(Program *program, size_t *size) { return nvrtcGetPTXSize(program, size); }
API Result nvrtcGetCUBIN(Program *program, char *cubin) { return nvrtcGetPTX(program, cubin); }
API Result nvrtcGetProgramLogSize(Program *program, size_t *size) {
  *size = program->log.size() + 1;
  return SUCCESS;
}
API Result nvrtcGetProgramLog(Program *program, char *log) {
  memcpy(log, program->log.c_str(), program->log.size() + 1);
  return SUCCESS;
}

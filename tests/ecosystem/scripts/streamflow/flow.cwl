cwlVersion: v1.2
class: Workflow
inputs:
  word: string
  code: int
outputs:
  result:
    type: File
    outputSource: count/out
steps:
  say:
    in: {word: word, code: code}
    out: [out]
    run:
      class: CommandLineTool
      baseCommand: [sh, -c, 'echo $0; flux getattr size; exit $1']
      inputs:
        word: {type: string, inputBinding: {position: 1}}
        code: {type: int, inputBinding: {position: 2}}
      stdout: said.txt
      outputs:
        out: stdout
  count:
    in: {file: say/out}
    out: [out]
    run:
      class: CommandLineTool
      baseCommand: [wc, -l]
      inputs:
        file: {type: File, inputBinding: {position: 1}}
      stdout: lines.txt
      outputs:
        out: stdout

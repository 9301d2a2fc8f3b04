/** What the tiny models have read, and how a chat is written for them: ChatML with tools, as Qwen has it. */

export const trainingText =
  `The quick brown fox jumps over the lazy dog. A small model can say a few words, and that is enough for a test.
When a request comes in, the server looks for a free slot, reads the prompt, and then writes one token at a time.
If no slot is free, the request waits in the queue until one of the others is done. The scheduler picks a node that has
the model in memory, because loading a model takes longer than most answers. A node with more memory can hold more models.
You can ask what the weather is like in Paris or in Berlin, but this model has never seen the sky. It knows the names of
things: apple, river, mountain, paper, engine, window, garden, music, winter, summer, morning, evening, city, and bread.
The user says hello and the assistant says hello, how can I help you today? I can help you with that. Please tell me more.
One, two, three, four, five, six, seven, eight, nine, ten. It is not true and it is not false. Yes, it is. No, it is not.
Each worker sends a heartbeat every few seconds; if it stops, the work it was doing is given to another worker.
A good system is one that keeps going when a part of it fails, and tells you which part, and why, and what to do next.`
    .replace(/\n/g, ' ')
    .replace(/([.?]) (?=[A-Z])/g, (_, p: string, at: number) => p + (at % 2 ? '\n' : ' ')); // now and then a new line between sentences

export const chatTemplate = `{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}{%- else %}{{- 'You are a tiny test model.' }}{%- endif %}
    {{- "\\n\\n# Tools\\n\\nYou are provided with function signatures within <tools></tools> XML tags:\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}{{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools>\\n\\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{\\"name\\": <function-name>, \\"arguments\\": <args-json-object>}\\n</tool_call><|im_end|>\\n" }}
{%- elif messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' }}{{- message.content }}{{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
`;

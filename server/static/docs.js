// No validatorUrl: Swagger UI would otherwise send the description to a server of its own.
const element = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: element.dataset.description,
  domNode: element,
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
